"""Pages of the site: links and captions of the project's Markdown, the policy, the links' check."""

import base64
import hashlib
import re

import pytest

from cdvae import checkpoints
from cdvae.site import cells, links, pages, policy, words
from cdvae.site.npm import MATHJAX, Package, check
from cdvae.site.places import Places
from cdvae.tools.errors import InputError


@pytest.fixture
def places(tmp_path) -> Places:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "a.csv").write_text("x\n")
    pages = {"README.md": ["cdvae", "Run it"], "notebooks/01_d.ipynb": ["15 The draw: $p$ and `q`"]}
    return Places(tmp_path, pages, {"4": ("notebooks/05.ipynb", "05-figure-4")})


def test_links_lead_where_the_site_has_them(places):
    def led(text: str, at: str = "notebooks/ERRATA.md") -> str:
        return words.linked(text, lambda target: places.of(target, at))

    jupyter = "[`01` · 15](01_d.ipynb#15-The-draw:-$p$-and-`q`)"
    assert led("see [it](01_d.ipynb), `[no](x.md)`") == "see [it](01_d.ipynb), `[no](x.md)`"
    assert led("[a](01_d.ipynb#15-The-draw:-$p$-and-`q`)").startswith("[a](01_d.ipynb#15-the-draw")
    assert led(jupyter).startswith("[`01` · 15](01_d.ipynb#15-the-draw")
    assert led("[on](#Run-it)", "README.md") == "[on](#run-it)"  # of the same page
    assert led("[top](../README.md#run-it)") == "[top](../README.md#run-it)"
    assert led("[code](../cdvae) and [gone](nowhere.md)") == "code and gone"
    assert led("[out](https://arxiv.org/abs/1612.00132)").endswith("1612.00132)")
    assert led("[table](../results/a.csv)") == "[table](../results/a.csv)"
    assert places.taken == {"results/a.csv"}
    assert led("[up](../../../etc/passwd)") == "up"


def test_mentions_of_figures_lead_to_them(places):
    def led(text: str) -> str:
        return words.with_figures_linked(text, lambda n: places.figure(n, "notebooks/00.ipynb"))

    assert (
        led("as in Figure 4, not Figure 9")
        == "as in [Figure 4](05.ipynb#05-figure-4), not Figure 9"
    )
    places.figures["08.2"] = ("notebooks/00.ipynb", "00-figure-08-2")
    assert led("Figure 08.2. Figure 4.") == (
        "[Figure 08.2](#00-figure-08-2). [Figure 4](05.ipynb#05-figure-4)."
    )
    for text in (
        "## Figure 4",
        "**Figure 4.** Own.",
        "**Figure 08.2.** Own.",
        "`Figure 4`",
        "$$\nFigure 4\n$$",
    ):
        assert led(text) == text


def test_slugs_are_those_of_code_hosts():
    assert words.slug("Post-processing (Sec. 4.2)") == "post-processing-sec-42"
    assert words.slug("How far is it?") == "how-far-is-it"


def png(text: str = "x") -> dict:
    return {"image/png": base64.b64encode(text.encode()).decode(), "text/plain": "<Figure>"}


def shown(data: dict, **metadata) -> dict:
    return {"output_type": "display_data", "data": data, "metadata": metadata}


def code(*outputs: dict) -> dict:
    return {"cell_type": "code", "source": ["x"], "outputs": list(outputs), "execution_count": 1}


def text(source: str) -> dict:
    return {"cell_type": "markdown", "source": [source], "metadata": {}}


def test_pictures_get_their_captions_numbers_and_texts():
    caption = "**Figure 6.** Relit, $x_g$ drawn by **MDN4**."
    notebook = {
        "cells": [
            code(
                shown(png("a")),
                shown({"text/markdown": caption}),
                shown(png("b")),
                shown({"text/markdown": caption}),
            ),
            code(shown(png("c"), **{"image/png": {"alt": "three bars"}})),
            text("**Figure.** What came.\n\n## Next\n\nMore."),
            code(shown({"application/vnd.jupyter.widget-view+json": {}, **png("d")})),
        ]
    }
    page = cells.page_of(notebook, "07_figures")
    assert [p.name for p in page.pictures] == [
        "07-figure-6",
        "07-figure-6-2",
        "07_figures-3",
        "07_figures-4",
    ]
    first = page.cells[0]["outputs"][0]["data"]["text/markdown"]
    assert ":name: 07-figure-6" in first and caption in first
    assert ":alt: Relit, x_g drawn by MDN4." in first
    assert len(page.cells[0]["outputs"]) == 2  # captions are within
    third = page.cells[1]["outputs"][0]["data"]["text/markdown"]
    assert ":alt: three bars" in third and "**Figure.** What came." in third
    assert page.cells[2]["source"] == "## Next\n\nMore."
    assert cells.numbered([page]) == {"6": ("07_figures", "07-figure-6")}
    own = code(shown(png("e"))), text("**Figure 14.1** What is tied.\n\nMore.")
    [picture] = cells.page_of({"cells": list(own)}, "14_appendix").pictures
    assert (picture.name, picture.number) == ("14-figure-14-1", "14.1")


def test_tables_are_html_5():
    style = '<style type="text/css">#T_1 td {x: y}</style>'
    html = f'{style}<table border="1" id="T_1"><tr><td>0.5 < 1.9, 2<3</td></tr></table>'
    page = cells.page_of({"cells": [code(shown({"text/html": html}))]}, "05")
    [output] = page.cells[0]["outputs"]
    made = output["data"]["text/html"]
    assert "<style" not in made and "border" not in made and 'tabindex="0"' in made
    assert "<td>0.5 &lt; 1.9, 2&lt;3</td>" in made  # pandas' styles leave these as they are
    assert page.style == ["#T_1 td {x: y}"]


def test_every_script_of_a_page_is_in_its_policy():
    html = (
        '<html><head><meta charset="utf-8"></head><script>go()</script><script src="a.js"></script>'
    )
    made = policy.put(html)
    digest = base64.b64encode(hashlib.sha256(b"go()").digest()).decode()
    content = re.search(r'Content-Security-Policy" content="([^"]*)"', made)[1]
    assert f"'sha256-{digest}'" in content and "default-src 'none'" in content
    assert "http" not in content.replace(
        "http-equiv", ""
    ) and "unsafe-eval'" not in content.replace("wasm-unsafe-eval'", "")
    assert made.index("Content-Security-Policy") < made.index("<script>")


def test_broken_links_are_found(tmp_path):
    (tmp_path / "b.html").write_text('<p id="here"></p>')
    (tmp_path / "a.html").write_text(
        '<a href="b.html#here">1</a><a href="b.html#gone">2</a><a href="c.html">3</a>'
        '<img src="https://elsewhere.org/x.png"><a href="https://elsewhere.org">4</a>'
        '<a href="#no">5</a>'
    )
    assert links.broken(tmp_path) == [
        "a.html loads https://elsewhere.org/x.png",
        "a.html: no part b.html#gone",
        "a.html: no c.html",
        "a.html: no part #no",
    ]


def test_an_archive_that_is_not_as_pinned_is_refused(tmp_path):
    path = tmp_path / "mathjax.tgz"
    path.write_bytes(b"other")
    with pytest.raises(InputError, match="not mathjax 3.2.2 as it is pinned"):
        check(path, MATHJAX)
    digest = base64.b64encode(hashlib.sha512(b"other").digest()).decode()
    check(path, Package("mathjax", "3.2.2", f"sha512-{digest}"))


def test_figures_that_move_stand_below_their_figure():
    from cdvae.site import pages

    shot = code(shown(png("a")), shown({"text/markdown": "**Figure 7.** Resaturated."}))
    page = cells.page_of({"cells": [text("# Samples"), shot, text("## Next")]}, "07_samples")
    notebook = cells.written(page, lambda text: text)
    pages.with_sliders(page, notebook)
    kinds = [cell["cell_type"] for cell in notebook["cells"]]
    assert kinds == ["markdown", "code", "markdown", "markdown"]
    moving = notebook["cells"][2]["source"]
    assert "../_static/ahead/resaturation-{seed}-{spread}.webp" in moving
    assert 'src="../_static/ahead/resaturation-0-2.webp"' in moving and "spread 1" in moving


def test_every_model_has_its_card():
    text, about = pages.cards(), checkpoints.cards()
    for name, card in about.items():
        (found,) = re.findall(rf"^#+ `?{re.escape(name)}`?$", text, re.M)
        assert found and all(f"`{table}`" in text for table in card["settings"])
