"""The samples that the figures show, kept in small files beside the scores.

Which examples is a rule, not a choice: the first of the test split (of clips, one each), and of
every method the samples drawn first. Motion shows four of its first 100 samples, one for each
cluster (`arrows.distinct`). The files of real data hold no photo: pictures at full size are read
again from the data's root.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from cdvae.data.fields import Fields
from cdvae.figures.arrows import distinct
from cdvae.methods.baselines import NearestNeighbour, gaussian_blur
from cdvae.runs.experiment import Draw, Experiment, Run, one_thread
from cdvae.tools.files import atomic, code_hash, key_of

MAIN = {"relighting": "mdn4", "resaturation": "mdn12", "motion": "gauss"}  # Figures 6, 7, 8
COMPARED = ("nn", "cvae", "gauss", "mdn4")  # Figure 5
N_SAMPLES = 4
DRAWN = 100  # samples of motion, from which distinct ones are taken
N_COMPARED = 2  # examples of each task in Figure 5
PAGE = 4  # examples in each of Figures 6–8
APPENDIX_PAGE = 3  # examples in each of Figures 9–16
APPENDIX_PAGES = {"relighting": 3, "resaturation": 3, "motion": 2}


@dataclass(frozen=True)
class Shown:
    """What is shown of a task.

    ids (K); x_g (K, C_g, 32, 32); on scenes, image (K, 3, 32, 32) in linear light. samples and
    reproduced by method: (k, n, C_g, 32, 32), and the originals as the method gives them back
    (k, C_g, 32, 32), both of the first k examples. runs: by method what made them.
    """

    task: str
    ids: list[str]
    x_g: np.ndarray
    image: np.ndarray | None
    samples: dict[str, np.ndarray]
    reproduced: dict[str, np.ndarray]
    runs: dict[str, dict]

    @property
    def main(self) -> str:
        """The paper's method for the task's pages of samples, else the last there is."""
        return MAIN[self.task] if MAIN[self.task] in self.runs else list(self.runs)[-1]


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
    return Shown(**about, **fields, samples=samples, reproduced=reproduced)


def save(shown: Shown, path: Path) -> None:
    """In half precision: pictures have 8 bits."""
    tensors = {"x_g": shown.x_g} | ({} if shown.image is None else {"image": shown.image})
    for method in shown.runs:
        tensors[f"samples/{method}"] = shown.samples[method]
        tensors[f"reproduced/{method}"] = shown.reproduced[method]
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
        before = load(path).runs if path.exists() else {}
        mine = [run for run in runs if run.task == task and run.seed == runs[0].seed]
        wanted = [run for run in mine if run.method in (*COMPARED, MAIN[task])] or mine[-1:]
        keys = {run.method: key(experiment, run) for run in wanted}
        for method, about in before.items():
            run = Run(task, method, about["seed"])
            if method not in keys and about["key"] == key(experiment, run):
                wanted.append(run)
                keys[method] = about["key"]
        if {method: about["key"] for method, about in before.items()} != keys:
            with one_thread():
                save(make(experiment, task, wanted), path)


def key(experiment: Experiment, run: Run) -> str:
    """The key of all that shapes what is shown of a run."""
    return key_of(experiment.model_key(run), code_hash("figures/shown.py", "figures/arrows.py"))


def make(experiment: Experiment, task: str, runs: list[Run]) -> Shown:
    """Draw what is shown of a task."""
    test = experiment.fields(task)["test"]
    rows = first_rows(test, n_examples(experiment.source.name, task))
    image = None
    if test.truth is not None:  # scenes: the picture of the same draw is the motion task's x_c
        image = test.x_c if task == "motion" else scene_images(experiment, len(test))
        image = image[rows].numpy()
    samples, reproduced, about = {}, {}, {}
    main = MAIN[task] if MAIN[task] in [run.method for run in runs] else runs[-1].method
    for run in runs:
        is_main = run.method == main
        some = rows if is_main else rows[:N_COMPARED]
        draw, made_by = sampler(experiment, run)
        n = DRAWN if task == "motion" and is_main else N_SAMPLES if is_main else 1
        drawn = torch.cat([draw(slice(k, k + 1), n) for k in some]).cpu()
        if n == DRAWN:
            drawn = torch.stack([each[distinct(each.numpy(), N_SAMPLES)] for each in drawn])
        samples[run.method] = drawn.numpy()
        reproduced[run.method] = reproduce(experiment, run, test, some, made_by).cpu().numpy()
        kept = ("checkpoint_sha256", "smoothing_px")
        about[run.method] = {"seed": run.seed, "key": key(experiment, run)} | {
            name: made_by[name] for name in kept if name in made_by
        }
    ids = [test.ids[k] for k in rows]
    return Shown(task, ids, test.x_g[rows].numpy(), image, samples, reproduced, about)


def sampler(experiment: Experiment, run: Run) -> tuple[Draw, dict]:
    """As `Experiment.sampler`, but nearest neighbour takes the smoothing it was scored with."""
    if run.method != "nn":
        return experiment.sampler(run, "test")
    sigma = experiment.scores(run)["provenance"]["smoothing_px"]
    train = experiment.examples(run.task, "train")
    model = NearestNeighbour(train.x_c, train.x_g, sigma)
    x_c = experiment.fields(run.task)["test"].x_c.to(experiment.device)
    return lambda part, n: model.sample(x_c[part], n), {"smoothing_px": sigma}


def n_examples(data: str, task: str) -> int:
    """Examples of a task: Figures 6–8, and on real data the appendix's pages."""
    return PAGE + (data != "scenes") * APPENDIX_PAGES[task] * APPENDIX_PAGE


def first_rows(test: Fields, n: int) -> list[int]:
    """The first n examples; of the pairs of one clip, the first."""
    firsts = {name.partition("#")[0]: k for k, name in reversed(list(enumerate(test.ids)))}
    return sorted(firsts.values())[:n]


def scene_images(experiment: Experiment, n: int) -> Tensor:
    """The pictures of the test scenes in linear light, (n, 3, 32, 32)."""
    from cdvae.data.drawn import scenes
    from cdvae.data.fields import TASKS

    return scenes.load(TASKS["motion"], "test", n, experiment.source.seed).x_c


@torch.no_grad()
def reproduce(
    experiment: Experiment, run: Run, test: Fields, rows: list[int], made_by: dict
) -> Tensor:
    """CDVAE(z_o) of Eq. 10: originals x_g from codes of their own, (k, C_g, 32, 32).

    z_1 is the mean of q(z_1 | z_2, x_g), the codes above are drawn. CVAE decodes the mean of its
    q(z | x_c, x_g); nearest neighbour has no codes, and gives an original back smoothed as all that
    it returns; the true conditional gives it back as it is.
    """
    x_c, x_g = (x[rows].to(experiment.device) for x in (test.x_c, test.x_g))
    if run.method == "truth":
        return x_g
    if run.method == "nn":
        return gaussian_blur(x_g, made_by["smoothing_px"])
    model = experiment.model(run)
    if run.method == "cvae":
        x_c, x_g = model.standard_c.apply_to(x_c), model.standard_g.apply_to(x_g)
        z, _ = model.q_z_given_x(x_c, x_g)
        return model.standard_g.undo(model.decode(model.image_tower(x_c), z))
    generator = torch.Generator(experiment.device).manual_seed(run.seed)
    mean, _ = model.dvae_g.q_z_given_x(x_g, generator).q[0]
    return model.dvae_g.mean_x(mean)
