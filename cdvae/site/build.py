"""`cdvae site`: the whole site, from what is committed."""

import os
import re
import shutil
import tempfile
import time
from pathlib import Path

from cdvae.site import ahead, explorer, links, pages, policy
from cdvae.site.npm import MATHJAX, take
from cdvae.site.settings import CONF
from cdvae.tools.chunks import cores
from cdvae.tools.errors import Failed, InputError
from cdvae.tools.files import checkout, marked, sweep, writing

ASSETS = Path(__file__).parent / "assets"
UNLEVELLED = ('class="caption" role="heading"', 'class="caption" role="heading" aria-level="2"')
LARGEST = 60_000_000  # bytes of the whole site
FORMULAS = {
    "es5/tex-chtml-full.js": "_static/mathjax/tex-chtml-full.js",
    "es5/output/chtml/fonts/": "_static/mathjax/output/chtml/fonts/",
}


def build(to: Path, only: tuple[str, ...] = ("",), say=print) -> None:
    """Make the site in a folder, which is replaced when all is well.

    only: how the names of the notebooks begin that are taken, for tests; by default all.

    Raises InputError where something that it needs is not installed or the folder holds something
    else. Raises Failed for a site that Sphinx warns of, with broken links or larger than LARGEST;
    it is there all the same.
    """
    start = time.monotonic()
    ready(to)
    with writing(to.parent):
        to.parent.mkdir(parents=True, exist_ok=True)
        sweep(to.parent)
        mark = {"prefix": marked("site"), "ignore_cleanup_errors": True}
        with tempfile.TemporaryDirectory(**mark, dir=to.parent) as folder:
            source, made, doctrees = (Path(folder, each) for each in ("source", "made", "doctrees"))
            sources(source, only)
            say(f"pages by Sphinx … ({time.monotonic() - start:.0f} s so far)")
            faults = run_sphinx(source, made, doctrees)
            finish(made)
            faults += links.broken(made)
            if to.exists():
                shutil.rmtree(to)
            made.replace(to)
    size = sum(path.stat().st_size for path in to.rglob("*") if path.is_file())
    say(f"{to}: {size / 1e6:.1f} MB, {time.monotonic() - start:.0f} s")
    if size > LARGEST:
        faults.append(f"the site has {size:,} bytes, more than {LARGEST:,}: show fewer models")
    if faults:
        raise Failed(f"{to} is built, but:\n" + "\n".join(faults))


def ready(to: Path) -> None:
    """Raise InputError unless the site can be made here."""
    if checkout() is None:
        raise InputError("no checkout here: clone the project and `pip install -e '.[site]'` in it")
    try:
        import furo  # noqa: F401
        import myst_nb  # noqa: F401
        import onnx  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is not installed: pip install -e '.[site]'") from None
    if to.exists() and not (to / "objects.inv").exists() and (to.is_file() or any(to.iterdir())):
        raise InputError(f"{to} is there and is no site: choose another folder with --out")


def sources(to: Path, only: tuple[str, ...]) -> None:
    """Write all that Sphinx reads, and what it copies."""
    static = to / "_static"
    static.mkdir(parents=True)
    style = pages.stage(to, only)
    shutil.copytree(ASSETS, static, dirs_exist_ok=True)
    (static / "explorer.html").unlink()  # which is a page's
    explorer.keep(static)
    ahead.keep(static)
    (static / "tables.css").write_text(style, encoding="utf-8")
    (to / "conf.py").write_text(CONF, encoding="utf-8")
    take(MATHJAX, FORMULAS, to)


def run_sphinx(source: Path, to: Path, doctrees: Path) -> list[str]:
    """Run the builder; returns what it warns of."""
    from io import StringIO

    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    warned = StringIO()
    os.environ["JUPYTER_PLATFORM_DIRS"] = "1"  # or jupyter_core warns of its own future
    with patch_docutils(None), docutils_namespace():
        places = (source, source, to, doctrees)
        Sphinx(*places, "html", status=None, warning=warned, parallel=cores()).build()
    plain = re.sub(r"\x1b\[[0-9;]*m", "", warned.getvalue())
    return [line.replace(f"{source}/", "") for line in plain.strip().splitlines()]


def finish(site: Path) -> None:
    """Give each page its policy, and remove what only the builder needs."""
    shutil.rmtree(site / "_sources", ignore_errors=True)
    (site / ".buildinfo").unlink(missing_ok=True)
    for page in site.rglob("*.html"):
        html = page.read_text(encoding="utf-8").replace(*UNLEVELLED)
        page.write_text(policy.put(html), encoding="utf-8")
