"""Pictures in few bytes: what is kept of them."""

import base64
from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from cdvae.figures.light import light, light_png
from cdvae.figures.style import picture_at, save
from cdvae.release.notebooks import stripped


def png_of(draw) -> bytes:
    figure, axis = plt.subplots(figsize=(5, 4))
    draw(axis)
    data = BytesIO()
    figure.savefig(data, format="png", dpi=120)
    plt.close(figure)
    return data.getvalue()


def lines(axis) -> None:
    for k in range(4):
        axis.plot(np.sin(np.arange(90) / (5 + k)) + k / 4, label=f"method {k}")
    axis.legend(frameon=False)


def photo(axis) -> None:
    y, x = np.mgrid[:300, :300] / 300
    noise = np.random.default_rng(0).normal(size=(300, 300)) / 50
    axis.imshow(np.stack([x, y, 0.5 + 0.4 * np.sin(9 * x * y) + noise], 2).clip(0, 1))


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(data)).convert("RGB"), int)


def test_lines_stay_a_png_of_the_same_colours():
    png = png_of(lines)
    kind, small = light(png)
    assert kind == "image/png" and len(small) < 0.6 * len(png)
    assert np.abs(pixels(small) - pixels(png)).max() <= 16


def test_photos_become_a_jpeg_that_looks_the_same():
    png = png_of(photo)
    kind, small = light(png)
    assert kind == "image/jpeg" and len(small) < 0.5 * len(png)
    assert np.abs(pixels(small) - pixels(png)).mean() < 2.5
    assert (pixels(light_png(png)) == pixels(png)).all()  # many colours, without a loss


def test_transparency_is_laid_on_white():
    data = BytesIO()
    Image.new("RGBA", (40, 30), (0, 0, 0, 0)).save(data, "PNG")
    assert (pixels(light(data.getvalue())[1]) == 255).all()


def test_a_notebook_s_pictures_are_light():
    pictures = [base64.b64encode(png_of(draw)).decode() for draw in (lines, photo)]
    outputs = [{"output_type": "display_data", "data": {"image/png": p}} for p in pictures]
    cell = {"cell_type": "code", "metadata": {}, "source": "", "outputs": outputs}
    found = stripped({"cells": [cell]})["cells"][0]["outputs"]
    assert [list(output["data"]) for output in found] == [["image/png"], ["image/jpeg"]]


def test_a_figure_is_one_picture_file(tmp_path):
    figure, axis = plt.subplots()
    photo(axis)
    assert [p.suffix for p in save(figure, tmp_path / "a")] == [".png", ".pdf"]
    assert picture_at(tmp_path / "a").suffix == ".png"
    assert save(figure, tmp_path / "a", photos=True, pdf=False) == [tmp_path / "a.jpg"]
    assert not (tmp_path / "a.png").exists() and picture_at(tmp_path / "a").suffix == ".jpg"
    plt.close(figure)
