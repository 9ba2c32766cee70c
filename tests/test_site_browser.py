"""The site in a real Chromium: no request leaves it, the explorer draws, the same noise gives the
package's fields, own photos and broken ones, phone and desk, keyboard."""

import functools
import http.server
import json
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import cdvae
from cdvae import checkpoints
from cdvae.release import graphs
from cdvae.tools.errors import InputError

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
PATIENCE = 120_000  # ms; what is measured is printed, a busy machine shall not fail
SHOTS = os.environ.get("CDVAE_SCREENSHOT")  # a folder for screenshots, if wanted
SITE = os.environ.get("CDVAE_SITE")  # a site that was built before, whole
SIZES = {"phone": (390, 844), "desk": (1280, 900)}
NAME = "relighting-mdn12-scenes"

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed"),
    pytest.mark.skipif(not checkpoints.names(), reason="no checkpoints here"),
]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small site: two notebooks, three models."""
    if SITE:
        return Path(SITE)
    for name in ("furo", "myst_nb", "onnx"):
        pytest.importorskip(name, reason=f"{name} is not installed: pip install -e '.[site]'")
    from cdvae.site import ahead, build, explorer

    to = tmp_path_factory.mktemp("site") / "site"
    few = [NAME, "relighting-mdn12-coco", "resaturation-cvae-coco", "motion-cvae-ucf101"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explorer, "models", lambda: few)
        patch.setattr(ahead, "MAIN", {"relighting": "mdn4"})
        patch.setattr(ahead, "SPREADS", (0.0, 1.0))
        patch.setattr(ahead, "SEED", ahead.SEED._replace(values=(0, 1)))
        try:
            build.build(to, ("00", "11"), say=lambda text: None)
        except InputError as error:
            if "npm cannot fetch" in str(error):
                pytest.skip(str(error))
            raise
    return to


@pytest.fixture(scope="module")
def address(folder):
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def opened(browser, size: str = "desk"):
    """A page that keeps what went wrong, and every address that it asked for."""
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(PATIENCE)
    page.wrong, page.asked = [], []
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.on("console", lambda each: each.type == "error" and page.wrong.append(each.text))
    page.on("request", lambda request: page.asked.append(request.url))
    return page


def all_is_well(page, address: str) -> None:
    assert not page.wrong
    assert page.asked and all(each.startswith((address, "blob:", "data:")) for each in page.asked)


def keep(page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


@pytest.mark.parametrize("size", SIZES)
def test_pages_are_whole_at_every_size(browser, address, folder, size):
    page = opened(browser, size)
    for path in sorted(folder.glob("*.html")) + sorted((folder / "notebooks").glob("0*.html")):
        name = path.relative_to(folder).as_posix()
        page.goto(f"{address}/{name}")
        assert page.title()
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= SIZES[size][0], f"{name} is {wide} px wide"
        without = (
            page.locator("img:not([alt])").count() + page.locator("article img[alt='']").count()
        )
        assert without == page.locator(".thumb img").count(), f"{name}: pictures without a text"
    page.goto(f"{address}/notebooks/00_overview.html")
    page.wait_for_selector("mjx-container")
    keep(page, f"overview-{size}")
    all_is_well(page, address)
    page.close()


@pytest.fixture(scope="module", params=SIZES)
def explorer(request, browser, address):
    page = opened(browser, request.param)
    page.size = request.param
    page.goto(f"{address}/explorer.html")
    page.wait_for_selector("#explorer.live")
    first = page.locator("#explorer").get_attribute("data-first")
    print(f"{request.param}: first picture after {first} ms")
    yield page
    keep(page, f"explorer-{request.param}")
    page.close()


def until(page, true: str) -> None:
    """Wait for an expression to be true; Playwright's own way needs an eval, which is forbidden."""
    end = time.monotonic() + PATIENCE / 1000
    while not page.evaluate(true):
        assert time.monotonic() < end, f"never {true}"
        page.wait_for_timeout(20)


def drawn(page, change) -> int:
    """Milliseconds from a change to the picture that shows it."""
    before = int(page.locator("#explorer").get_attribute("data-drawn"))
    change()
    until(page, f"Number(document.getElementById('explorer').dataset.drawn) > {before}")
    page.wait_for_selector("#explorer[aria-busy=false]")
    return int(page.locator("#explorer").get_attribute("data-ms"))


def picture(page) -> str:
    return page.evaluate("document.querySelector('.samples canvas').toDataURL()")


def test_sliders_by_keyboard(explorer, address):
    seed = explorer.get_by_role("slider", name="Random seed")
    seed.focus()
    before = picture(explorer)
    drawn(explorer, lambda: seed.press("ArrowRight"))
    assert picture(explorer) != before and "seed 1" in explorer.locator(".said").inner_text()
    drawn(explorer, lambda: seed.press("ArrowLeft"))
    assert picture(explorer) == before  # the same choices, the same page
    for name in ("Spread of the tie", "Samples"):
        slider = explorer.get_by_role("slider", name=name)
        slider.focus()
        ms = drawn(explorer, lambda slider=slider: slider.press("ArrowRight"))
        print(f"{explorer.size}: {name}, with details: {ms} ms")
    assert explorer.locator(".samples canvas").count() == 5
    explorer.get_by_label("Component").select_option("3")
    explorer.wait_for_selector(".weights li.marked")
    fields = explorer.get_by_label("Show")
    drawn(explorer, lambda: fields.select_option("fields"))
    for _ in range(3):
        print(f"{explorer.size}: 32 × 32: {drawn(explorer, lambda: seed.press('ArrowRight'))} ms")
    drawn(explorer, lambda: fields.select_option("pictures"))
    all_is_well(explorer, address)


def test_own_photos_and_a_broken_one(explorer, address, tmp_path):
    y, x = np.mgrid[:480, :640] / 480
    colours = np.stack([0.5 + 0.5 * np.sin(7 * x), y, 0.5 + 0.5 * np.cos(5 * y * x)], 2)
    image = Image.fromarray((255 * colours).astype(np.uint8))
    image.save(tmp_path / "photo.jpg")
    image.save(tmp_path / "photo.png")
    image.convert("L").save(tmp_path / "grey.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no photo")
    file, said = explorer.locator("#x-file"), explorer.locator(".said")
    for name in ("photo.jpg", "photo.png"):
        ms = drawn(explorer, lambda name=name: file.set_input_files(tmp_path / name))
        print(f"{explorer.size}: {name}: {ms} ms")
        assert name in said.inner_text() and "relighting" in said.inner_text()
    seed = explorer.get_by_role("slider", name="Random seed")
    seed.focus()
    ms = drawn(explorer, lambda: seed.press("ArrowRight"))
    print(f"{explorer.size}: 512 × 512 with details: {ms} ms")
    assert explorer.evaluate("document.querySelector('.samples canvas').width") == 512
    task = explorer.get_by_label("Task")
    for name in ("resaturation", "motion", "relighting"):
        print(
            f"{explorer.size}: {name}: {drawn(explorer, lambda n=name: task.select_option(n))} ms"
        )
    drawn(explorer, lambda: task.select_option("resaturation"))
    assert "hue" not in said.inner_text()
    drawn(explorer, lambda: file.set_input_files(tmp_path / "grey.png"))
    assert "100% of it has no hue and stays as it is" in said.inner_text()
    shown = picture(explorer)
    file.set_input_files(tmp_path / "broken.jpg")
    alert = explorer.locator("#explorer [role=alert]")
    until(explorer, "document.querySelector('#explorer [role=alert]').textContent")
    assert "broken.jpg cannot be read as a photo: give a JPEG" in alert.inner_text()
    assert picture(explorer) == shown  # as it was
    all_is_well(explorer, address)
    assert not any("photo" in each for each in explorer.asked)  # nothing of the file was sent


def test_same_noise_same_fields(explorer):
    """Within 1e-3 of the package's, and of the layer given back."""
    checkpoint = cdvae.load(NAME)
    graph, generator = graphs.graph_of(checkpoint.model), torch.Generator().manual_seed(5)
    x_c = torch.rand(1, 3, 32, 32, generator=generator)
    x_g = torch.rand(1, 1, 32, 32, generator=generator)
    noise = torch.randn(4, graph.n_noise, generator=generator)
    own = torch.randn(1, graph.n_own, generator=generator)
    choice = torch.empty(4, graph.n_components).exponential_(generator=generator)
    feeds = (x_c, x_g, noise, own, torch.tensor([1.3]), torch.tensor([-1]), choice)
    wanted, reproduced, weights = graph.eval()(*feeds)
    given = {"noise": noise, "own_noise": own, "choice": choice, "x_c": x_c, "x_g": x_g}
    found = explorer.evaluate(
        """async (given) => {
            const {ask, data} = window.cdvae, f = (name) => Float32Array.from(given[name]);
            const made = await ask('fields', {
                model: data.models.find((each) => each.name === given.name),
                layers: {x_c: f('x_c'), x_g: f('x_g')},
                choices: {n: 4, seed: 0, spread: 1.3, component: 0},
                noise: {noise: f('noise'), own_noise: f('own_noise'), choice: f('choice')},
            });
            return {fields: made.fields.map((each) => [...each]),
                    reproduced: [...made.reproduced], weights: made.weights};
        }""",
        {name: each.flatten().tolist() for name, each in given.items()} | {"name": NAME},
    )
    far = np.abs(np.array(found["fields"]) - wanted.detach().flatten(1).numpy()).max()
    print(f"largest difference: {far:.1e}")
    assert far < 1e-3
    assert (
        np.abs(np.array(found["reproduced"]) - reproduced.detach().flatten().numpy()).max() < 1e-3
    )
    assert np.allclose(found["weights"], weights.detach().flatten().numpy(), atol=1e-4)


def test_pictures_drawn_ahead_without_webassembly(browser, address):
    page = opened(browser)
    page.add_init_script("delete window.WebAssembly")
    page.goto(f"{address}/explorer.html")
    page.wait_for_selector(".ahead .sliders:not([hidden])")
    image = page.locator(".ahead img")
    before = image.get_attribute("src")
    seed = page.locator(".ahead input").first
    seed.focus()
    seed.press("ArrowRight")
    assert image.get_attribute("src") != before
    until(page, "document.querySelector('.ahead img').naturalWidth > 0")
    assert "seed 1" in image.get_attribute("alt")
    assert "no WebAssembly" in page.locator("#explorer [role=alert]").inner_text()
    all_is_well(page, address)
    page.close()


def test_search_finds(browser, address):
    page = opened(browser)
    page.goto(f"{address}/search.html?q=albedo")
    page.wait_for_selector("#search-results li a")
    all_is_well(page, address)
    page.close()


def test_the_validator_finds_nothing(folder):
    java = shutil.which("java")
    if java is None:
        pytest.skip("Java is not installed, and the validator needs it")
    from cdvae.site.npm import VALIDATOR, take

    try:
        take(VALIDATOR, {"build/dist/vnu.jar": "vnu.jar"}, folder.parent)
    except InputError as error:
        pytest.skip(str(error))
    command = [java, "-jar", str(folder.parent / "vnu.jar"), "--skip-non-html", "--format", "json"]
    done = subprocess.run([*command, "--errors-only", str(folder)], capture_output=True, text=True)
    found = [f"{m['url']}: {m['message']}" for m in json.loads(done.stderr)["messages"]]
    assert not found, "\n".join(found[:20])
