"""The samples that the figures show, kept in small files beside the scores.

Which examples is a rule, not a choice: the first of the test split, and of every method the samples
drawn first. Of clips one each, the first that moves, from all classes in turn, those that move most
ahead (`rows_shown`). Motion shows four of its first 100 samples, one for each cluster
(`arrows.distinct`). The files of real data hold no photo: pictures at full size are read again from
the data's root.

What the samples depend on is measured on more inputs, and kept as numbers (`report.dependence`).
"""

import json
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from cdvae.data.clips.clips import lengths, still
from cdvae.data.drawn import scenes
from cdvae.data.drawn.scenes import SceneTruth
from cdvae.data.fields import TASKS, Fields
from cdvae.figures.arrows import distinct
from cdvae.methods import method, methods, of_kind
from cdvae.report import dependence, windows
from cdvae.runs.experiment import Experiment
from cdvae.runs.scoring import drawing
from cdvae.runs.store import Run
from cdvae.tools.device import one_thread
from cdvae.tools.files import atomic, is_whole, key_of
from cdvae.tools.meaning import meaning

MAIN = {"relighting": "mdn4", "resaturation": "mdn12", "motion": "gauss"}  # Figures 6, 7, 8
COMPARED = ("nn", "cvae", "gauss", "mdn4")  # Figure 5; rows of one's own follow them
MEASURED = ("marginal", "truth")  # beside these: what ignoring the input gives, and what is right
N_SAMPLES = 4
DRAWN = 100  # samples of motion, from which distinct ones are taken
N_COMPARED = 1  # examples of each task in Figure 5
N_EACH = 3  # samples of each method there
INPUTS, DRAWS = 200, 8  # on which the dependence on the input is measured
PAGE = 4  # examples in each of Figures 6–8
APPENDIX_PAGE = 3  # examples in each of Figures 9–16
APPENDIX_PAGES = {"relighting": 3, "resaturation": 3, "motion": 2}


@dataclass(frozen=True)
class Shown:
    """What is shown of a task.

    ids (K); x_g (K, C_g, 32, 32); on scenes, image (K, 3, 32, 32) in linear light. samples and
    reproduced by method: (k, n, C_g, 32, 32), and the originals as the method gives them back
    (k, C_g, 32, 32), both of the first k examples; spread: the deviation of DRAWN samples of
    Figure 5's examples (N_COMPARED, 32, 32). runs: by method what made them, and what they
    depend on: the `measures` of `report.dependence`, of scenes also those of `windows.by_window`.
    """

    task: str
    ids: list[str]
    x_g: np.ndarray
    image: np.ndarray | None
    samples: dict[str, np.ndarray]
    reproduced: dict[str, np.ndarray]
    spread: dict[str, np.ndarray]
    runs: dict[str, dict]

    @property
    def main(self) -> str:
        """The method of the task's pages of samples."""
        return main_of(self.task, list(self.runs))


def main_of(task: str, names: list[str]) -> str:
    """The paper's method for a task's pages, else one's own, else a learned one, else the last."""
    own = [name for name in names if name in methods() and method(name).kind == "own"]
    learned = [name for name in names if name in methods() and method(name).is_learned]
    paper = [name for name in names if name == MAIN[task]]
    models = [name for name in names if name not in MEASURED]
    return [*paper, *own, *learned, *models[-1:], names[-1]][0]


def compared() -> list[str]:
    """The methods of Figure 5, as far as they were run."""
    return [*COMPARED, *of_kind("own")]


def shown_of(task: str) -> tuple[str, ...]:
    """The methods that something is shown of."""
    return (*compared(), MAIN[task], *MEASURED)


def path_of(folder: Path, task: str) -> Path:
    return folder / f"shown-{task}.safetensors"


def load(path: Path) -> Shown:
    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()["shown"])
        found = {name: file.get_tensor(name).float().numpy() for name in file.keys()}
    samples, reproduced = (
        {method: found[f"{kind}/{method}"] for method in about["runs"]}
        for kind in ("samples", "reproduced")
    )
    fields = {"x_g": found["x_g"], "image": found.get("image")}
    spread = {name: found[f"spread/{name}"] for name in about["runs"] if f"spread/{name}" in found}
    return Shown(**about, **fields, samples=samples, reproduced=reproduced, spread=spread)


def save(shown: Shown, path: Path) -> None:
    """In half precision: pictures have 8 bits."""
    tensors = {"x_g": shown.x_g} | ({} if shown.image is None else {"image": shown.image})
    for name in shown.runs:
        tensors[f"samples/{name}"] = shown.samples[name]
        tensors[f"reproduced/{name}"] = shown.reproduced[name]
        tensors[f"spread/{name}"] = shown.spread[name]
    halves = {name: torch.from_numpy(value).half().contiguous() for name, value in tensors.items()}
    about = {"task": shown.task, "ids": shown.ids, "runs": shown.runs}
    with atomic(path) as temporary:
        save_file(halves, temporary, metadata={"shown": json.dumps(about)})


def update(experiment: Experiment, runs: list[Run], folder: Path) -> None:
    """Bring a results folder's samples up to date with the first seed of these runs.

    Methods that stand in a file and are not among the runs stay if the present code and settings
    would draw them again.
    """
    for task in dict.fromkeys(run.task for run in runs):
        path = path_of(folder, task)
        before = load(path).runs if is_whole(path) else {}
        mine = [run for run in runs if run.task == task and run.seed == runs[0].seed]
        wanted = [run for run in mine if run.method in shown_of(task)] or mine[-1:]
        keys = {run.method: key(experiment, run) for run in wanted}
        for name, about in before.items():
            run = Run(task, name, about["seed"])
            if name in keys or name not in methods():
                continue
            if about["key"] == key(experiment, run):
                wanted.append(run)
                keys[name] = about["key"]
        if {name: about["key"] for name, about in before.items()} != keys:
            with one_thread():
                save(make(experiment, task, wanted), path)


def key(experiment: Experiment, run: Run) -> str:
    """The key of all that shapes what is shown of a run."""
    entry = method(run.method)
    parts = (entry.build or entry.fit, drawing, example_of, reproduced_by, rows_shown, measured)
    code = meaning([part for part in parts if part])
    return key_of(experiment.model_key(run), code)


def make(experiment: Experiment, task: str, runs: list[Run]) -> Shown:
    """Draw what is shown of a task; each method is fitted or loaded once."""
    test = experiment.fields(task)["test"]
    x_c, x_g = (x.to(experiment.device) for x in (test.x_c, test.x_g))
    rows = rows_shown(test, n_examples(experiment, task))
    samples, reproduced, spread, about = {}, {}, {}, {}
    main = main_of(task, [run.method for run in runs])
    for run in runs:
        name, is_main = run.method, run.method == main
        some = rows if is_main else rows[:N_COMPARED]
        n = N_SAMPLES if is_main else N_EACH
        if method(name).kind == "truth":
            draw, made_by = experiment.sampler(run, "test")
            given_back = x_g[some]  # as they are
        else:
            model, made_by = experiment.ready(run)
            draw = drawing(model, x_c, run.seed)
            given_back = reproduced_by(model, x_c[some], x_g[some], run.seed)
        samples[name] = np.stack([example_of(draw, k, n, task) for k in some])
        spread[name] = np.stack([spread_of(draw, k) for k in some[:N_COMPARED]])
        reproduced[name] = given_back.cpu().numpy()
        kept = ("checkpoint_sha256", "smoothing_px")
        about[name] = {"seed": run.seed, "key": key(experiment, run)} | {
            what: made_by[what] for what in kept if what in made_by
        }
        about[name] |= measured(draw, test)
    ids = [test.ids[k] for k in rows]
    image = images_of(experiment, test, rows)
    return Shown(task, ids, test.x_g[rows].numpy(), image, samples, reproduced, spread, about)


def example_of(draw, k: int, n: int, task: str) -> np.ndarray:
    """n samples of test example k (n, C_g, 32, 32); of motion, several are chosen distinct."""
    several = task == "motion" and n > 1
    drawn = draw(slice(k, k + 1), DRAWN if several else n).cpu().numpy()[0]
    return drawn[distinct(drawn, n)] if several else drawn


def images_of(experiment: Experiment, test: Fields, rows: list[int]) -> np.ndarray | None:
    """The pictures of examples whose data set has none of its own but the fields: (K, 3, 32, 32).

    Relighting's is in linear light; saturation without a hue is shown in red.
    """
    name = test.task.name
    if experiment.entry.original is not None:
        return None
    if experiment.entry is scenes.SCENES and name != "motion":  # the motion task's x_c, in light
        seed = experiment.source.seed
        return scenes.load(TASKS["motion"], "test", len(test), seed).x_c[rows].numpy()
    x_c, x_g = test.x_c[rows], test.x_g[rows]
    if name == "resaturation":
        return torch.cat([x_c, x_c * (1 - x_g), x_c * (1 - x_g)], 1).numpy()
    return (x_c * x_g if name == "relighting" else x_c).numpy()


def n_examples(experiment: Experiment, task: str) -> int:
    """Examples of a task: Figures 6–8, and on real data the appendix's pages."""
    is_real = experiment.entry.original is not None
    return PAGE + is_real * APPENDIX_PAGES[task] * APPENDIX_PAGE


def rows_shown(test: Fields, n: int) -> list[int]:
    """Which n examples are shown: the first of the split, of pairs of frames one a clip.

    Clips lie in folders, a class each. The classes take turns, the one whose pairs move most
    ahead; of a class the clips come in the split's order, each with the first of its pairs that
    moves. Clips in which nothing does come last.
    """
    if not any("#" in name for name in test.ids):
        return list(range(min(n, len(test))))
    speed, rests = lengths(test.x_g).mean((1, 2)), still(test).tolist()
    classes: dict[str, dict[str, int]] = {}
    quiet: dict[str, int] = {}
    for k, name in enumerate(test.ids):
        clip = name.partition("#")[0]
        kept = quiet if rests[k] else classes.setdefault(clip.rpartition("/")[0], {})
        kept.setdefault(clip, k)
    members: dict[str, list[int]] = {}
    for k, name in enumerate(test.ids):
        members.setdefault(name.rpartition("/")[0], []).append(k)
    order = sorted(classes, key=lambda each: -float(speed[members[each]].mean()))
    turns = zip_longest(*(classes[each].items() for each in order))
    moving = dict(each for turn in turns for each in turn if each)
    return list((moving | {clip: k for clip, k in quiet.items() if clip not in moving}).values())[
        :n
    ]


def spread_of(draw, k: int) -> np.ndarray:
    """The deviation of DRAWN samples of test example k at each pixel, over channels: (32, 32)."""
    return draw(slice(k, k + 1), DRAWN)[0].var(0).sum(0).sqrt().cpu().numpy()


def measured(draw, test: Fields) -> dict:
    """What samples depend on: measures on INPUTS inputs, evenly spread, with DRAWS samples each."""
    rows = dependence.to_rows(len(test), INPUTS)
    samples = torch.cat([draw(slice(k, k + 1), DRAWS) for k in rows]).cpu()
    found: dict = {"inputs": len(rows), "draws": DRAWS}
    found["measures"] = dependence.measures(test.x_c[rows], test.x_g[rows], samples)
    if isinstance(test.truth, SceneTruth):
        found["by_window"] = windows.by_window(test.truth, rows, samples)
    return found


@torch.no_grad()
def reproduced_by(model, x_c: Tensor, x_g: Tensor, seed: int) -> Tensor:
    """CDVAE(z_o) of Eq. 10: originals x_g as a model gives them back, (k, C_g, 32, 32)."""
    return model.reproduce(x_c, x_g, torch.Generator(x_c.device).manual_seed(seed))
