"""Running the project's notebooks by papermill, with their parameters checked.

Each notebook opens with a cell tagged "parameters" and then calls `open_study(globals())`, so that
it works alike in JupyterLab, under papermill and from `cdvae reproduce`.
"""

import hashlib
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from cdvae import checkpoints
from cdvae.data.sources import data_sets
from cdvae.dynamics.experiment import Dynamics
from cdvae.dynamics.results import finish, open_dynamics
from cdvae.figures import captions, shown
from cdvae.figures import fields as pictures
from cdvae.figures import samples as figures
from cdvae.figures.gallery import Gallery
from cdvae.report import beyond, results, verdicts
from cdvae.runs.experiment import GUIDANCE_ROOMS, MODEL_ROOMS, Experiment, Run, open_runs
from cdvae.tools.files import (
    InputError,
    atomic,
    code_hash,
    key_of,
    project_root,
    sha256,
    write_text,
)

PARAMETERS = {
    "profile": "quick",
    "data": "scenes",
    "root": None,
    "tasks": None,
    "methods": None,
    "seeds": None,
    "device": "auto",
}
KERNEL = "python3"
WIDTH = 720  # px, of the pictures in a notebook
DYNAMICS = "08_visual_dynamics"  # the notebook with data and models of its own
EXPLORER = "09_explore"  # the notebook that reads the checkpoints alone
BEYOND = "10_beyond"  # the notebook that reads the tables of every data set
SHOWN_BY = (  # code whose change redraws a notebook, or is checked by one
    *(f"figures/{room}.py" for room in ("scores", "score_plots", "studies", "fields", "diagrams")),
    *(f"figures/{room}.py" for room in ("samples", "captions", "gallery", "shown", "arrows")),
    *(
        f"report/{room}.py"
        for room in ("results", "tables", "paper", "claims", "beyond", "verdicts")
    ),
    *("release/notebooks.py", "postprocess/upsample.py", "postprocess/details.py"),
    *("postprocess/own.py", "dynamics/plots.py", "dynamics/results.py", "checkpoints.py"),
    *(f"explore/{room}.py" for room in ("walks", "sheet", "pages", "dynamics", "panel")),
    "studies/statistics.py",
    *(f"{room}.py" for room in (*MODEL_ROOMS, *GUIDANCE_ROOMS)),
)
WIDGET = "application/vnd.jupyter.widget-view+json"
NOT_PARAMETERS = {"In", "Out", "exit", "quit", "get_ipython", "open", "notebooks"}


@dataclass(frozen=True)
class Study:
    """What a notebook works on: an experiment, its runs and their scores."""

    experiment: Experiment
    runs: list[Run]
    scores: pd.DataFrame

    @property
    def profile(self) -> str:
        return self.experiment.profile.name

    @property
    def data(self) -> str:
        return self.experiment.source.name

    @property
    def tasks(self) -> list[str]:
        return list(dict.fromkeys(run.task for run in self.runs))

    def figure_path(self, name: str) -> Path:
        return results.figures_folder(self.profile, self.data) / name


def checked(parameters: dict) -> dict:
    """The parameters with defaults filled in; raises InputError for an unknown name."""
    if unknown := sorted(set(parameters) - set(PARAMETERS)):
        known = ", ".join(PARAMETERS)
        raise InputError(f"unknown parameter '{unknown[0]}': the notebooks take {known}")
    return PARAMETERS | parameters


def parameters_in(namespace: dict) -> dict:
    """The parameters among a notebook's globals.

    papermill only warns of a parameter that the notebook does not have, and then defines it: any
    unexpected name is therefore refused.
    """
    names = {name for name in namespace if not name.startswith("_")} - NOT_PARAMETERS
    return checked({name: namespace[name] for name in names})


def open_data(namespace: dict) -> Study:
    """Check the parameters in a notebook's globals; trains nothing."""
    return Study(*open_runs(**parameters_in(namespace)), pd.DataFrame())


def open_study(namespace: dict) -> Study:
    """Check the parameters in a notebook's globals; train, score and compare what is missing.

    Finished runs are read from the cache at once.
    """
    study = open_data(namespace)
    scores = results.finish(study.experiment, study.runs, quiet=True)
    verdicts.update(study.experiment, study.runs)
    return replace(study, scores=scores)


def match(what: str, expected, computed, tolerance: float = 0.0) -> bool:
    """Print what was expected and what was computed, and return whether they match.

    Both are numbers, arrays or tensors (compared by their largest difference, which may be as
    large as `tolerance`), or SymPy expressions (equal if their difference simplifies to 0).
    """
    if hasattr(computed, "simplify"):
        far, shown = float((expected - computed).simplify() != 0), (expected, computed)
    else:
        far = np.abs(np.asarray(expected) - np.asarray(computed)).max()
        shown = brief(expected), brief(computed)
    is_match = bool(far <= tolerance)
    within = f" (within {tolerance:.1g})" if tolerance else ""
    print(f"{what}\n    expected {shown[0]}, computed {shown[1]}, match {is_match}{within}")
    return is_match


def brief(value) -> str:
    """A number, or the first few of an array, with six digits."""
    numbers = np.ravel(value)
    text = ", ".join(f"{float(number):.6g}" for number in numbers[:3])
    return f"[{text}{', …' * (numbers.size > 3)}]" if np.ndim(value) else text


def open_visual_dynamics(namespace: dict) -> tuple[Dynamics, pd.DataFrame]:
    """As `open_study`, for Visual Dynamics: the experiment and its scores."""
    asked = parameters_in(namespace)
    dynamics = open_dynamics(*(asked[name] for name in ("profile", "data", "root", "device")))
    return dynamics, finish(dynamics, quiet=True)


def open_beyond(namespace: dict) -> list[beyond.Chapter]:
    """The tables of the profile that a notebook's globals name; trains nothing.

    Raises InputError if there are none yet.
    """
    profile = parameters_in(namespace)["profile"]
    if not (found := beyond.chapters(profile)):
        raise InputError(
            f"no verdicts of profile {profile}: run cdvae reproduce --profile {profile}"
        )
    return found


def open_gallery(study: Study) -> dict[str, Gallery]:
    """The pictures of a study's tasks; draws the samples that are shown if they are not kept."""
    folder = results.results_folder(study.profile, study.data)
    shown.update(study.experiment, study.runs, folder)
    found = figures.galleries_of(study.profile, study.data, study.experiment.source.root)
    return {task: gallery for task, gallery in found.items() if task in study.tasks}


def show_figures(study: Study, galleries: dict[str, Gallery], *names: str) -> None:
    """Write these figures and show each, as light as a notebook needs it, with its caption."""
    from IPython.display import Image, Markdown, display

    have = [name for name in names if name in figures.plates(galleries)]
    drawn = figures.draw(study.profile, galleries, have) if have else {}
    for name, caption in drawn.items():
        picture = study.figure_path(name).with_suffix(".png")
        display(Image(pictures.as_jpeg(picture, WIDTH)), Markdown(caption))


def show_committed(data: str, name: str) -> None:
    """Show a figure of the quick profile that the project comes with, smaller, and its caption."""
    from IPython.display import Image, Markdown, display

    path = project_root() / "figures" / "quick" / data / f"{name}.png"
    if path.exists():
        display(Image(pictures.as_jpeg(path, WIDTH)))
        display(Markdown(captions.of(path) + f" On {data}."))


def numbered(data: str | None = None) -> list[Path]:
    """The project's notebooks in order; with `data`, those that this data set is for."""
    every = sorted((project_root() / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    return [path for path in every if data is None or data in data_of(path)]


def profile_of(path: Path) -> str:
    """The profile that the committed notebook shows."""
    return "tuned" if path.stem == BEYOND else PARAMETERS["profile"]


def data_of(path: Path) -> tuple[str, ...]:
    """The data sets that a notebook is for, first the one that the committed notebook shows."""
    own = {DYNAMICS: ("shapes", "ucf101"), EXPLORER: ("scenes",)}
    return own.get(path.stem, tuple(data_sets()))


def is_injected(cell: dict) -> bool:
    """Whether papermill put the cell there, to set parameters."""
    return "injected-parameters" in cell["metadata"].get("tags", [])


def code_digest(notebook: dict) -> str:
    """Hash of the code cells as they are written; papermill's injected cell does not count."""
    written = [c for c in notebook["cells"] if c["cell_type"] == "code" and not is_injected(c)]
    return hashlib.sha256("\0".join("".join(c["source"]) for c in written).encode()).hexdigest()


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def write(notebook: dict, path: Path) -> None:
    write_text(path, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


def inputs(path: Path, profile: str, data: str) -> dict[str, str]:
    """Hashes of the result files that the notebook at `path` reads."""
    folder = results.results_folder(profile, data)
    found = [*folder.glob("*.csv"), *folder.glob("shown-*.safetensors")]
    if path.stem == EXPLORER:
        found = checkpoints.folder().glob("*.json")
    if path.stem == BEYOND:
        return {f"{each.parent.name}/{each.name}": sha256(each) for each in beyond.files(profile)}
    return {each.name: sha256(each) for each in sorted(found)}


def stamp(path: Path, parameters: dict) -> dict[str, str]:
    """What an executed notebook belongs to: its code, ours, its parameters and its inputs."""
    return {
        "code": code_digest(read(path)),
        "shown_by": code_hash(*SHOWN_BY),
        "parameters": key_of(parameters),
        "inputs": key_of(inputs(path, parameters["profile"], parameters["data"])),
    }


def is_current(output: Path, path: Path, parameters: dict) -> bool:
    """Whether `output` is what running the notebook at `path` now would give."""
    return output.exists() and read(output)["metadata"].get("cdvae") == stamp(path, parameters)


def unfinished(notebook: dict) -> list[str]:
    """What is wrong with an executed notebook: failed cells, cells that did not run."""
    found = []
    for number, cell in enumerate(notebook["cells"], start=1):
        if cell["cell_type"] != "code" or not "".join(cell["source"]).strip():
            continue
        if cell["execution_count"] is None:
            found.append(f"cell {number} did not run")
        found += [
            f"cell {number}: {output['ename']}: {output['evalue']}"
            for output in cell["outputs"]
            if output["output_type"] == "error"
        ]
    return found


def run(path: Path, output: Path, parameters: dict) -> None:
    """Execute a notebook by papermill into `output`, stripped of what changes from run to run.

    Raises RuntimeError if a cell failed or did not run; papermill alone overlooks the latter.
    """
    import papermill

    parameters = checked(parameters)
    with atomic(output) as temporary:
        papermill.execute_notebook(
            path,
            temporary,
            parameters=parameters,
            kernel_name=KERNEL,
            progress_bar=False,
            log_output=False,
        )
        executed = read(temporary)
        if problems := unfinished(executed):
            raise RuntimeError(f"{path.name}: {problems[0]}")
        write(stripped(executed) | {"metadata": plain_metadata(stamp(path, parameters))}, temporary)


def stripped(notebook: dict) -> dict:
    """A notebook without timings, widget state and random cell ids.

    Views of widgets go with their state: a reader without a kernel sees the picture beside them.
    """
    cells = []
    for number, cell in enumerate(notebook["cells"]):
        tags = cell["metadata"].get("tags", [])
        cells.append(cell | {"id": str(number), "metadata": {"tags": tags} if tags else {}})
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET, None)
    return notebook | {"cells": cells}


def plain_metadata(stamped: dict) -> dict:
    """Notebook metadata that any machine can open."""
    kernel = {"display_name": "Python 3", "language": "python", "name": KERNEL}
    return {"kernelspec": kernel, "language_info": {"name": "python"}, "cdvae": stamped}


def refresh(names: list[str]) -> None:
    """Execute committed notebooks in place, with the parameters that stand in them."""
    for path in [path for path in numbered() if not names or path.stem in names]:
        print(f"running {path.name}", flush=True)
        run(path, path, PARAMETERS | {"profile": profile_of(path), "data": data_of(path)[0]})
        executed = read(path)
        executed["cells"] = [cell for cell in executed["cells"] if not is_injected(cell)]
        write(stripped(executed), path)


if __name__ == "__main__":
    if sys.argv[1:2] != ["refresh"]:
        sys.exit("usage: python -m cdvae.notebooks refresh [NAME …]   (executes them in place)")
    refresh(sys.argv[2:])
