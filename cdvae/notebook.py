"""What the notebooks call: their checked parameters, their runs, and figures with captions.

Each notebook has a cell tagged "parameters" and then calls `open_study(globals())`, so that it
works alike in JupyterLab, under papermill and from `cdvae reproduce`.
"""

import ast
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cdvae import checkpoints
from cdvae.checkpoints import Checkpoint
from cdvae.data.fields import task_named
from cdvae.data.sources import data_set
from cdvae.dynamics.experiment import FrameExperiment
from cdvae.dynamics.results import finish, open_dynamics
from cdvae.explore.panel import Panel
from cdvae.figures import captions, diagrams, fields, samples, scores, shown
from cdvae.figures.gallery import Gallery
from cdvae.figures.style import picture_at, save
from cdvae.methods import method
from cdvae.model import CDVAE
from cdvae.report import chapters, results, verdicts
from cdvae.runs.experiment import Experiment, open_runs
from cdvae.runs.parameters import PARAMETERS, checked
from cdvae.runs.settings import load_profile
from cdvae.runs.store import Run
from cdvae.tools.files import InputError, is_whole, project_root

WIDTH = 720  # px, of the pictures in a notebook
PLAIN = 0.65  # of their own pixels: so wide are small ones shown, with letters of nine points
INJECTED = "# Parameters"  # how papermill begins the cell with which it sets parameters


@dataclass(frozen=True)
class Study:
    """What a notebook works on: an experiment, its runs and their scores."""

    experiment: Experiment
    runs: list[Run]
    scores: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def profile(self) -> str:
        return self.experiment.profile.name

    @property
    def data(self) -> str:
        return self.experiment.source.name

    @property
    def tasks(self) -> list[str]:
        return list(dict.fromkeys(run.task for run in self.runs))

    @property
    def folder(self) -> Path:
        """Where the result files lie."""
        return results.results_folder(self.profile, self.data)

    def figure_path(self, name: str) -> Path:
        return results.figures_folder(self.profile, self.data) / name

    def figure2(self) -> Figure:
        """The network of the first tied model, with its sizes; written beside the figures."""
        tied = [run.method for run in self.joint() if issubclass(method(run.method).model, CDVAE)]
        name = "gauss" if "gauss" in tied or not tied else tied[0]
        built = method(name).build(task_named(self.tasks[0]), self.experiment.profile)
        return self.written("figure2", diagrams.figure2(built))

    def graphical_models(self) -> Figure:
        """The conditional VAE and CDVAE; written beside the figures."""
        layers = len(self.experiment.profile.network.latents)
        return self.written("graphical_models", diagrams.graphical_models(layers))

    def written(self, name: str, figure: Figure) -> Figure:
        save(figure, self.figure_path(name))
        return figure

    def figure4(self) -> Figure:
        """Best error against variance."""
        return scores.figure4(self.scores)

    def tables(self) -> None:
        """Show Tables 1–4 as far as there are scores for them."""
        from IPython.display import Markdown, display

        for number, table in results.all_tables(self.scores).items():
            display(Markdown(f"**{results.TITLES[number]}**"))
            display(results.readable(table, number).style.hide(axis="index"))

    def training_curves(self) -> Figure:
        """Training and validation loss by step, of the learned methods."""
        return scores.training_curves(self.histories(self.learned()))

    def information(self) -> Figure:
        """How many nats each code of x_g holds, of the joint models."""
        return scores.information(self.histories(self.joint()))

    def seconds(self) -> pd.DataFrame:
        """How long each learned method of the first seed was trained, by task."""
        return results.training_seconds(self.folder, self.learned())

    def histories(self, runs: list[Run]) -> dict[str, dict[str, list[dict]]]:
        """What was recorded at each check, by task and method."""
        found: dict[str, dict[str, list[dict]]] = {}
        for run in runs:
            found.setdefault(run.task, {})[run.method] = self.experiment.history(run)
        return found

    def explorer(self) -> Panel:
        """Sliders over the project's models and those of this study."""
        own = self.checkpoints()
        first = [each.card["method"] for each in own.values()]
        return Panel(own, self.tasks[0], *first[:1])

    def first_seed(self) -> list[Run]:
        """The runs of the first seed."""
        return [run for run in self.runs if run.seed == self.runs[0].seed]

    def learned(self) -> list[Run]:
        """The runs of the first seed that have weights."""
        return [run for run in self.first_seed() if method(run.method).is_learned]

    def joint(self) -> list[Run]:
        """The runs of the first seed whose models bound −log P(x_c, x_g)."""
        return [run for run in self.first_seed() if method(run.method).is_joint]

    def checkpoints(self) -> dict[str, Checkpoint]:
        """The study's trained models by name, to be explored beside those of the project."""
        known, found = checkpoints.names(), {}
        for run in self.learned():
            name = checkpoints.name_of(run.task, run.method, self.data)
            if name not in known and is_whole(self.experiment.checkpoint(run)):
                found[name] = checkpoints.of_run(self.experiment, run)
        return found


def parameters_in(namespace: dict[str, Any]) -> dict[str, Any]:
    """The parameters among a notebook's globals, checked, whatever else these hold.

    papermill only warns of a parameter that the notebook does not have, and then sets it: a name
    that its cell sets and no notebook takes is refused.
    """
    unknown = injected(namespace.get("In", [])) - set(PARAMETERS)
    asked = {name: namespace[name] for name in PARAMETERS if name in namespace}
    return checked(asked | dict.fromkeys(sorted(unknown)))


def injected(cells: list[str]) -> set[str]:
    """The names that papermill's cell sets, among the cells that have run."""
    ours = [cell for cell in cells if cell.startswith(INJECTED)]
    trees = [node for cell in ours for node in ast.walk(ast.parse(cell))]
    stored = [node for node in trees if isinstance(node, ast.Name)]
    return {node.id for node in stored if isinstance(node.ctx, ast.Store)}


def open_data(namespace: dict[str, Any]) -> Study:
    """Check the parameters in a notebook's globals; trains nothing."""
    return Study(*open_runs(**parameters_in(namespace)))


def open_study(namespace: dict[str, Any]) -> Study:
    """Check the parameters in a notebook's globals; train, score and compare what is missing.

    Finished runs are read from the cache at once.
    """
    study = open_data(namespace)
    scores = verdicts.finish(study.experiment, study.runs, quiet=True)
    return Study(study.experiment, study.runs, scores)


def open_own(namespace: dict[str, Any], methods: list[str], steps: int) -> Study:
    """Train and score methods of one's own beside others, on the first task, in few steps.

    Results go to results/own/<data>, apart from those of the profile whose other settings hold.
    """
    asked = parameters_in(namespace)
    plain = load_profile(asked["profile"])
    shorter = {"steps": min(steps, plain.training.steps)}
    few = {"n_test": min(200, plain.n_test), "steps_of": {}}
    profile = replace(load_profile(asked["profile"], training=shorter, **few), name="own")
    experiment = Experiment(profile, asked["data"], asked["root"], asked["device"])
    task = (asked["tasks"] or experiment.source.tasks())[0]
    runs = experiment.runs([task], methods, list(profile.seeds[:1]))
    return Study(experiment, runs, verdicts.finish(experiment, runs, quiet=True))


def check(what: str, expected: Any, computed: Any, tolerance: float = 0.0) -> None:
    """Print one ✓ if `computed` is what is expected; raises AssertionError if it is not.

    Both are numbers, arrays or tensors (compared by their largest difference, which may be as
    large as `tolerance`), or SymPy expressions (equal if their difference simplifies to 0).
    """
    assert distance(expected, computed) <= tolerance, differs(what, expected, computed)
    print(f"✓ {what}: {brief(computed)}")


def refute(what: str, claimed: Any, computed: Any, tolerance: float = 0.0) -> None:
    """Print one ✓ if a claim is further than `tolerance` from what holds; raises AssertionError
    if it is not. Compares as `check` does."""
    assert distance(claimed, computed) > tolerance, f"{what}: holds after all, {brief(computed)}"
    print(f"✓ refuted: {what}: {brief(claimed)}; right is {brief(computed)}")


def distance(first: Any, second: Any) -> float:
    """The largest difference of numbers, arrays or tensors; of expressions 0 or 1."""
    if hasattr(second, "simplify"):
        return float((first - second).simplify() != 0)
    return float(np.abs(np.asarray(first) - np.asarray(second)).max())


def differs(what: str, expected: Any, computed: Any) -> str:
    return f"{what}: expected {brief(expected)}, computed {brief(computed)}"


def brief(value: Any) -> str:
    """An expression, a number, or the first few of an array, with six digits."""
    if hasattr(value, "simplify"):
        return str(value)
    numbers = np.ravel(value)
    text = ", ".join(f"{float(number):.6g}" for number in numbers[:3])
    return f"[{text}{', …' * (numbers.size > 3)}]" if np.ndim(value) else text


def open_frames(namespace: dict[str, Any]) -> tuple[FrameExperiment, pd.DataFrame]:
    """As `open_study`, for Visual Dynamics: the experiment and its scores."""
    asked = parameters_in(namespace)
    names = ("profile", "data", "root", "device", "seeds")
    experiment = open_dynamics(*(asked[name] for name in names))
    return experiment, finish(experiment, quiet=True)


def open_chapters(namespace: dict[str, Any]) -> list[chapters.Chapter]:
    """The tables of every data set in the profile that a notebook's globals name; trains nothing.

    Raises InputError if there are none yet.
    """
    profile = parameters_in(namespace)["profile"]
    if not (found := chapters.chapters(profile)):
        raise InputError(
            f"no verdicts of profile {profile}: run cdvae reproduce --profile {profile}"
        )
    return found


def open_gallery(study: Study) -> dict[str, Gallery]:
    """The pictures of a study's tasks; draws the samples that are shown if they are not kept."""
    shown.update(study.experiment, study.runs, study.folder)
    found = samples.galleries_of(study.profile, study.data, study.experiment.source.root)
    return {task: gallery for task, gallery in found.items() if task in study.tasks}


def show_figures(study: Study, galleries: dict[str, Gallery], *names: str) -> None:
    """Write these figures and show each, as light as a notebook needs it, with its caption."""
    have = [name for name in names if name in samples.plates(galleries)]
    drawn = samples.draw(study.profile, galleries, have) if have else {}
    for name, caption in drawn.items():
        show_picture(picture_at(study.figure_path(name)), caption)


def show_committed(data: str, name: str) -> None:
    """Show a figure of the quick profile that the project comes with, smaller, and its caption."""
    path = picture_at(project_root() / "figures" / "quick" / data / name)
    if path.exists() and (caption := captions.find(path)):
        number, said = caption.split(".**", 1)  # a page may have its own figure of that number
        caption = f"{number} of {chapters.NAMES[data]}.**{said}"
        show_picture(path, f"{caption} Data: {data_set(data).title}.")


def show_picture(path: Path, caption: str) -> None:
    """A picture with its caption, whose first sentences are also what a screen reader says."""
    from IPython.display import Image, Markdown, display

    picture = Image(fields.as_jpeg(path, WIDTH), width=min(WIDTH, int(PLAIN * width_of(path))))
    display(picture, metadata={"alt": captions.plain(caption)})
    display(Markdown(caption))


def width_of(path: Path) -> int:
    """The width of a picture file in pixels."""
    from PIL import Image

    with Image.open(path) as image:
        return image.width


def show_plot(figure: Figure, caption: str, path: Path | None = None, photos: bool = False) -> None:
    """A plot with its numbered caption, kept beside the other figures if a path is given."""
    from IPython.display import Markdown, display

    if path:
        save(figure, path, photos=photos, pdf=not photos)
        captions.merge(path.parent, [caption])
    display(figure, metadata={"alt": captions.plain(caption)})
    display(Markdown(caption))
