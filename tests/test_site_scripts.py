"""The explorer's scripts against the package: the same numbers in, the same numbers out (Node)."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from cdvae.data.photos.intrinsic import decompose, srgb_to_linear
from cdvae.figures import arrows
from cdvae.postprocess import details
from cdvae.postprocess.upsample import Upsampler, segments

SCRIPTS = Path(__file__).parents[1] / "cdvae" / "site" / "assets" / "explorer"
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="Node.js is not installed")
SIDE = 128


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """Runs a script that ends in an expression on `given`; gives what it returns."""
    folder = tmp_path_factory.mktemp("scripts")
    (folder / "package.json").write_text('{"type": "module"}')
    for path in SCRIPTS.glob("*.js"):
        shutil.copy(path, folder)

    def run(imports: str, expression: str, **given):
        (folder / "given.json").write_text(json.dumps(given, default=np.ndarray.tolist))
        (folder / "run.js").write_text(
            f"{imports}\nimport {{readFileSync}} from 'fs';\n"
            "const given = JSON.parse(readFileSync('given.json'));\n"
            "const plain = (k, v) => (ArrayBuffer.isView(v) ? Array.from(v) : v);\n"
            f"console.log(JSON.stringify({expression}, plain));\n"
        )
        done = subprocess.run([NODE, "run.js"], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """A drawn picture (SIDE, SIDE, 3) uint8 with edges, slopes, texture and grain."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    disc = (x - 0.4) ** 2 + (y - 0.55) ** 2 < 0.07
    paint = np.where(disc[..., None], (0.8, 0.3, 0.2), (0.25, 0.45, 0.6))
    paint = np.where((x > 0.7)[..., None], (0.7, 0.7, 0.3), paint)
    light = (0.35 + 0.6 * x * (1 - 0.5 * y) + 0.05 * np.sin(30 * y))[..., None]
    grain = np.random.default_rng(0).normal(0, 0.01, (SIDE, SIDE, 1))
    return (255 * (paint * light + grain).clip(0, 1)).round().astype(np.uint8)


def rgba(photo: np.ndarray) -> list[int]:
    return np.dstack([photo, np.full(photo.shape[:2], 255)]).astype(int).ravel().tolist()


def grey(photo: np.ndarray) -> np.ndarray:
    return (photo / 255) @ np.array([0.299, 0.587, 0.114])


def smooth_fields(n: int) -> np.ndarray:
    y, x = np.mgrid[:32, :32] / 32
    rng = np.random.default_rng(1)
    return np.stack([0.5 + 0.3 * np.sin(a * x + b * y) for a, b in rng.uniform(1, 9, (n, 2))])


UPSAMPLE = "import {Upsampler, segments} from './upsample.js';"


def test_segments(ask, photo):
    """Ties of edge weights are broken otherwise, so a few pixels may differ."""
    found = ask(UPSAMPLE, f"segments(given.grey, {SIDE})", grey=grey(photo).ravel())
    ours, theirs = np.array(found["label"]), segments(grey(photo)).ravel()
    pairs = np.unique(np.stack([ours, theirs]), axis=1, return_counts=True)
    best = sum(pairs[1][pairs[0][0] == k].max() for k in range(found["n"]))
    assert best / ours.size > 0.99 and abs(found["n"] - theirs.max() - 1) <= 1


def test_upsampling_is_the_same(ask, photo):
    label = segments(grey(photo))
    fields = smooth_fields(3)
    wanted = Upsampler(grey(photo), label)(fields)
    given = {"grey": grey(photo).ravel(), "fields": fields.reshape(3, -1)}
    given |= {"label": {"label": label.ravel(), "n": int(label.max()) + 1}}
    found = ask(
        UPSAMPLE,
        f"(() => {{ const up = new Upsampler(given.grey, {SIDE}, given.label);"
        "return given.fields.map((each) => up.upsample(each)); })()",
        **given,
    )
    assert np.abs(np.array(found).reshape(wanted.shape) - wanted).max() < 2e-4


def test_intrinsic_images(ask, photo):
    """Labels are chosen by the largest belief, so rounding may move a patch; few do."""
    draws = torch.rand(20, generator=torch.Generator().manual_seed(0)).tolist()
    small = photo.reshape(32, SIDE // 32, 32, SIDE // 32, 3).mean((1, 3)) / 255
    image = torch.from_numpy(small).float().permute(2, 0, 1)[None]
    albedo, shading = decompose(image)
    light = srgb_to_linear(image)[0].flatten()
    found = ask(
        "import {decompose} from './intrinsic.js';",
        "decompose(Float32Array.from(given.light), given.draws)",
        light=light.numpy(),
        draws=draws,
    )
    far = np.abs(np.array(found["shading"]) - shading.flatten().numpy())
    assert np.median(far) < 1e-3 and far.mean() < 5e-3
    product = np.array(found["albedo"]).reshape(3, -1) * found["shading"]
    assert np.abs(product.ravel() - light.numpy()).max() < 1e-6


PICTURES = "import * as p from './pictures.js';\nimport {Upsampler} from './upsample.js';"


@pytest.mark.parametrize("task", ["relit", "resaturated"])
def test_pictures_with_details(ask, photo, task):
    made, own = smooth_fields(2)
    label = segments(grey(photo))
    given = {
        "rgba": rgba(photo),
        "made": made.ravel(),
        "own": own.ravel(),
        "grey": grey(photo).ravel(),
    }
    given |= {"label": {"label": label.ravel(), "n": int(label.max()) + 1}}
    found = ask(
        PICTURES,
        f"(() => {{ const up = new Upsampler(given.grey, {SIDE}, given.label);"
        f"return p.{task}(Uint8ClampedArray.from(given.rgba), given.made, given.own,"
        " (field) => up.upsample(field)); })()",
        **given,
    )
    up, picture = Upsampler(grey(photo), label), (photo / 255).astype(np.float32)
    if task == "relit":
        [(light, _)] = details.relight(details.to_linear(picture), made[None], own, up)
        wanted = details.to_srgb(light)
    else:
        [(wanted, _)] = details.resaturate(picture, made[None], own, up)
    ours = np.array(found).reshape(SIDE, SIDE, 4)[..., :3]
    assert np.abs(ours - 255 * wanted).max() <= 1.5 and np.abs(ours - 255 * wanted).mean() < 0.5


def test_the_share_of_pixels_without_hue(ask, photo):
    dull = photo // 16 + 100
    for picture in (photo, dull):
        found = ask(PICTURES, "p.withoutHue(Uint8Array.from(given.rgba))", rgba=rgba(picture))
        assert found == pytest.approx(details.without_hue(picture / 255))
    assert found > 0.2


def test_noise_is_normal_and_the_seeds_own(ask):
    one, two, other = ask(
        "import {normals, uniform} from './noise.js';",
        "[3, 3, 4].map((seed) => normals(uniform(seed), 20001))",
    )
    one, other = np.array(one), np.array(other)
    assert np.array_equal(one, two) and abs(np.corrcoef(one, other)[0, 1]) < 0.03
    assert abs(one.mean()) < 0.03 and abs(one.std() - 1) < 0.02
    assert abs((np.abs(one) > 1.96).mean() - 0.05) < 0.01


def test_arrows(ask):
    """Regions that move alike, in three flows: places, motions and sizes."""
    rng, flows = np.random.default_rng(2), []
    y, x = np.mgrid[:32, :32]
    for _ in range(3):
        flow = rng.normal(0, 0.05, (2, 32, 32))
        for _ in range(3):
            centre, motion = rng.uniform(5, 27, 2), rng.normal(0, 4, 2)
            disc = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < rng.uniform(12, 40)
            flow += disc * motion[:, None, None]
        flows.append(flow.astype(np.float32))
    top = arrows.fastest(np.stack(flows))
    found = ask(
        "import {arrows, fastest} from './arrows.js';",
        "[fastest(given.flows), given.flows.map((each) => arrows(each, given.top))]",
        flows=np.stack(flows).reshape(3, -1),
        top=top,
    )
    assert found[0] == pytest.approx(top, rel=1e-6)
    for mine, flow in zip(found[1], flows, strict=True):
        wanted = arrows.arrows(flow, top)
        assert [each["cells"] for each in mine] == [each.cells for each in wanted] and wanted
        for one, other in zip(mine, wanted, strict=True):
            ours = [one[name] for name in ("x", "y", "dx", "dy")]
            assert ours == pytest.approx(list(other[:4]), abs=1e-4)
