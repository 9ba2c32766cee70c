"""How Sphinx builds the site; `CONF` is its conf.py."""

from cdvae import __version__

CONF = """from cdvae.site.api import as_rst
from cdvae.site.settings import settings

globals().update(settings())


def setup(app):
    app.connect("autodoc-process-docstring", as_rst)
"""


def settings() -> dict:
    """Sphinx's configuration."""
    return {
        "project": "cdvae",
        "author": "The cdvae authors",
        "copyright": "the cdvae authors, MIT licence",
        "version": __version__,
        "release": __version__,
        "language": "en",
        "extensions": ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.mathjax"],
        "nb_execution_mode": "off",
        "nb_render_markdown_format": "myst",
        "nb_merge_streams": True,
        "nb_mime_priority_overrides": [("*", "text/html", 0), ("*", "text/markdown", 1)],
        "myst_enable_extensions": ["dollarmath", "amsmath", "smartquotes", "deflist"],
        "myst_heading_anchors": 4,
        "myst_heading_slug_func": "cdvae.site.words.slug",
        "myst_dmath_double_inline": True,
        "myst_update_mathjax": False,
        "suppress_warnings": ["mystnb.unknown_mime_type", "myst.header", "config.cache"],
        "numfig": False,
        "html_theme": "furo",
        "html_title": "cdvae",
        "html_favicon": "_static/icon.svg",
        "html_static_path": ["_static"],
        "html_css_files": ["tables.css", "site.css"],
        "html_js_files": [("ahead.js", {"defer": "defer"})],
        "html_show_sphinx": False,
        "html_show_sourcelink": False,
        "html_copy_source": False,
        "html_theme_options": {
            "light_css_variables": {
                "color-brand-primary": "#00558c",
                "color-brand-content": "#00558c",
            },
            "dark_css_variables": {
                "color-brand-primary": "#7cc4f5",
                "color-brand-content": "#7cc4f5",
            },
        },
        "mathjax_path": "mathjax/tex-chtml-full.js",
        "mathjax3_config": {
            "options": {
                "enableMenu": False,
                "ignoreHtmlClass": ".*",
                "processHtmlClass": "math",
            },
        },
        "autodoc_typehints": "signature",
        "autodoc_member_order": "bysource",
        "pygments_style": "a11y-high-contrast-light",
        "pygments_dark_style": "a11y-high-contrast-dark",
    }
