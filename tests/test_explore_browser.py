"""The explorer in a browser: JupyterLab, a real Chromium, the keyboard, a good and a bad upload."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
NEWS = "@jupyterlab/apputils-extension:announcements"
PATIENCE = 240_000  # ms; what is measured is printed, a busy machine shall not fail
SHOT = os.environ.get("CDVAE_SCREENSHOT")  # where to keep the screenshot, if anywhere

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of the notebook, served by a JupyterLab without anyone's settings."""
    home = tmp_path_factory.mktemp("lab")
    (home / "work").mkdir()
    shutil.copy(ROOT / "notebooks" / "09_explore.ipynb", home / "work")
    own = ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR")
    own += ("JUPYTERLAB_WORKSPACES_DIR",)
    environment = os.environ | {name: str(home / name.lower()) for name in own}
    environment.pop("MPLBACKEND", None)
    settings = home / "jupyter_config_dir" / "labconfig" / "page_config.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"disabledExtensions": {NEWS: True}}))  # asks nobody anything
    port = free_port()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    command += [f"--ServerApp.root_dir={home / 'work'}", "--IdentityProvider.token=test"]
    with open(home / "log", "w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_for(port, server)
            yield f"http://127.0.0.1:{port}/lab/tree/09_explore.ipynb?token=test"
        finally:
            server.terminate()
            server.wait(20)


def wait_for(port: int, server: subprocess.Popen) -> None:
    for _ in range(300):
        assert server.poll() is None, "JupyterLab did not start"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise AssertionError("JupyterLab does not answer")


@pytest.fixture(scope="module")
def page(lab):
    """The notebook in a browser, all cells run."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 1250})
        page.set_default_timeout(PATIENCE)
        page.goto(lab)
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()  # or cells would not be run
        page.wait_for_timeout(1000)
        start = time.perf_counter()
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        page.wait_for_selector("img[alt*=seed]")
        print(f"from Run All to the sliders: {time.perf_counter() - start:.1f} s")
        page.wait_for_timeout(1500)  # the sliders are given their names
        yield page
        browser.close()


def beside(page, control) -> tuple[float, ...]:
    """Where the picture is from a control, and its size: the page may have been scrolled."""
    box, other = (x.bounding_box() for x in (page.locator("img[alt*=seed]").last, control))
    return box["x"] - other["x"], box["y"] - other["y"], box["width"], box["height"]


def picture(page) -> str:
    return page.locator("img[alt*=seed], img[alt*=Dynamics]").last.get_attribute("src")


def changed(page, before: str) -> str:
    """The picture after it is no longer `before`."""
    page.wait_for_function(
        "before => [...document.querySelectorAll('img[alt]')].pop().src != before", arg=before
    )
    return picture(page)


def settled(page) -> str:
    """The picture once it has not changed for half a second."""
    last = None
    while last != (last := picture(page)):
        page.wait_for_timeout(500)
    return last


def no_error(page) -> None:
    assert page.locator(".jp-OutputArea-output[data-mime-type*=error]").count() == 0
    assert page.get_by_text("javascript error").count() == 0
    assert page.locator(".widget-html [role=alert]").inner_text() == ""


def test_sliders_by_keyboard(page):
    before = settled(page)
    seed = page.get_by_role("slider", name="Random seed")
    seed.focus()
    box = beside(page, seed)
    seed.press("ArrowRight")
    after = changed(page, before)
    assert "seed 1" in page.locator("img[alt*=seed]").last.get_attribute("alt")
    seed.press("ArrowLeft")
    assert changed(page, after) == before  # the same choices, the same page
    spread = page.get_by_role("slider", name="Spread of the tie")
    spread.focus()
    spread.press("ArrowRight")
    changed(page, before)
    assert beside(page, seed) == box  # nothing jumps
    no_error(page)


def test_many_moves_draw_the_last(page):
    seed = page.get_by_role("slider", name="Random seed")
    seed.focus()
    start = time.perf_counter()
    for _ in range(20):
        seed.press("ArrowRight", no_wait_after=True)
    page.wait_for_selector("img[alt*='seed 20 ']")
    print(f"20 moves are drawn after {time.perf_counter() - start:.1f} s")
    no_error(page)


def test_tasks_and_views(page):
    for task in ("relighting", "motion", "Visual Dynamics", "resaturation"):
        before = settled(page)
        page.get_by_label("Task", exact=True).select_option(task)
        changed(page, before)
        no_error(page)
    before = settled(page)
    page.get_by_label("Show", exact=True).select_option("one layer of codes at a time")
    changed(page, before)
    no_error(page)


def test_uploads(page, tmp_path):
    y, x = np.mgrid[:480, :640] / 480
    colours = np.stack([0.5 + 0.5 * np.sin(7 * x), y, 0.5 + 0.5 * np.cos(5 * y * x)], 2)
    Image.fromarray((255 * colours).astype(np.uint8)).save(tmp_path / "photo.jpg")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no photo")
    before = settled(page)
    upload(page, tmp_path / "photo.jpg")
    page.wait_for_selector("img[alt*='photo.jpg']")
    page.get_by_label("Show", exact=True).select_option("samples")
    page.get_by_label("Post-processing", exact=True).select_option("upsampled, with details")
    page.wait_for_selector("img[alt*='photo.jpg'][alt*='samples'][alt*='with details']")
    assert picture(page) != before
    no_error(page)
    shown = picture(page)
    upload(page, tmp_path / "broken.jpg")
    sentence = page.get_by_text("broken.jpg cannot be read as a photo")
    sentence.wait_for()
    assert "Traceback" not in sentence.inner_text() and picture(page) == shown  # as it was
    page.get_by_label("Source", exact=True).select_option("built-in scenes")
    page.get_by_label("Task", exact=True).select_option("relighting")
    page.wait_for_selector("img[alt*='relighting'][alt*='test scene'][alt*='with details']")
    no_error(page)
    if SHOT:
        page.locator(".jp-OutputArea-output:has(.widget-slider)").last.screenshot(path=SHOT)


def upload(page, path: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload a photo or clip").click()
    chooser.value.set_files(path)
