"""The project's notebooks as files: which there are, running them by papermill, what they show."""

import base64
import hashlib
import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from cdvae import checkpoints
from cdvae.data.sources import data_sets
from cdvae.figures.light import light
from cdvae.release.forked import can_fork, forked_kernels
from cdvae.release.kernels import connection
from cdvae.report import chapters, results
from cdvae.runs.parameters import PARAMETERS, checked
from cdvae.tools.chunks import cores
from cdvae.tools.errors import Failed, InputError
from cdvae.tools.files import atomic, key_of, project_root, sha256, write_text
from cdvae.tools.meaning import meaning_of_text

KERNEL = "python3"
MOST = 4  # notebooks that run at a time: each may hold the data of a task
QUIET = ["--log-level=CRITICAL"]  # what a local kernel says of its port and its end only alarms
FRAMES = "08_visual_dynamics"  # the notebook with data and models of its own
EXPLORER = "09_explore"  # the notebook that reads the checkpoints
CHAPTERS = ("10_verdict", "12_studies")  # the notebooks that read the tables of every data set
OWN = "11_your_own"  # the notebook with methods of its own
WHY = "13_why"  # the notebook that compares with the truth
CLIPS = "16_real_clips"  # the notebook that reads Visual Dynamics' scores on clips
MOTIONS = "17_which_motion"  # the notebook that reads its scores on moving shapes
PNG = "image/png"
WIDGET = "application/vnd.jupyter.widget-view+json"


class NotebookFailed(Failed):
    """A notebook did not run to its end; the message says where, why, and what is left of it."""


def folder() -> Path:
    """Where the notebooks lie."""
    return project_root() / "notebooks"


def numbered(data: str | None = None) -> list[Path]:
    """The project's notebooks in order; with `data`, those that this data set is for.

    Raises InputError where the package came without them.
    """
    every = sorted(folder().glob("[0-9][0-9]_*.ipynb"))
    if not every:
        raise InputError(f"no notebooks in {folder()}: install again, from a wheel or a clone")
    return [path for path in every if data is None or data in data_of(path)]


def left_out(data: str) -> dict[Path, str]:
    """Those of a data set's notebooks that cannot run in this installation, and why."""
    why = "the package has no checkpoints: clone the project and `pip install -e .` in the clone"
    found = [path for path in numbered(data) if path.stem == EXPLORER and not checkpoints.names()]
    return dict.fromkeys(found, why)


def profile_of(path: Path) -> str:
    """The profile that the committed notebook shows."""
    return "tuned" if path.stem in CHAPTERS else PARAMETERS["profile"]


def data_of(path: Path) -> tuple[str, ...]:
    """The data sets that a notebook is for, first the one that the committed notebook shows."""
    own = {OWN: ("scenes",), WHY: ("scenes",), CLIPS: ("ucf101",)}
    own |= dict.fromkeys((FRAMES, MOTIONS), ("shapes",))
    return own.get(path.stem, tuple(data_sets()))


def is_injected(cell: dict) -> bool:
    """Whether papermill put the cell there, to set parameters."""
    return "injected-parameters" in cell["metadata"].get("tags", [])


def code_digest(notebook: dict) -> str:
    """Hash of the code cells as they are written; papermill's injected cell does not count."""
    return hashlib.sha256("\0".join(code_cells(notebook)).encode()).hexdigest()


def code_cells(notebook: dict) -> list[str]:
    """The code cells as they are written."""
    written = [c for c in notebook["cells"] if c["cell_type"] == "code" and not is_injected(c)]
    return ["".join(cell["source"]) for cell in written]


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
    if path.stem == OWN:
        return {}
    if path.stem in CHAPTERS:
        return {f"{each.parent.name}/{each.name}": sha256(each) for each in chapters.files(profile)}
    return {each.name: sha256(each) for each in sorted(found)}


def stamp(path: Path, parameters: dict) -> dict[str, str]:
    """What an executed notebook belongs to: its code, ours, its parameters and its inputs."""
    notebook = read(path)
    return {
        "code": code_digest(notebook),
        "shown_by": meaning_of_text("\n".join(code_cells(notebook))),
        "parameters": key_of(parameters),
        "inputs": key_of(inputs(path, parameters["profile"], parameters["data"])),
    }


def is_current(output: Path, path: Path, parameters: dict) -> bool:
    """Whether `output` is what running the notebook at `path` now would give."""
    return output.exists() and read(output)["metadata"].get("cdvae") == stamp(path, parameters)


def unfinished(notebook: dict) -> list[str]:
    """What is wrong with an executed notebook: failed cells, cells that did not run.

    Cells are counted as in the notebook before papermill put its own in.
    """
    found, written = [], [cell for cell in notebook["cells"] if not is_injected(cell)]
    for number, cell in enumerate(written, start=1):
        if cell["cell_type"] != "code" or not "".join(cell["source"]).strip():
            continue
        errors = [output for output in cell["outputs"] if output["output_type"] == "error"]
        for error in errors:
            found.append(f"cell {number}\n{error['ename']}: {last_line(error['evalue'])}")
        if not errors and cell["execution_count"] is None:
            found.append(f"cell {number}\nit did not run")
    return found


def last_begun(notebook: dict) -> int:
    """The number of the cell that papermill began last, in the same count."""
    written = [cell for cell in notebook["cells"] if not is_injected(cell)]
    begun = [cell["metadata"].get("papermill", {}).get("start_time") for cell in written]
    return max((number for number, start in enumerate(begun, start=1) if start), default=1)


def without_marks(notebook: dict) -> dict:
    """A notebook without the cells with which papermill points to an error."""
    tags = [cell["metadata"].get("tags", []) for cell in notebook["cells"]]
    marks = [any("papermill-error" in tag for tag in each) for each in tags]
    kept = [cell for cell, mark in zip(notebook["cells"], marks, strict=True) if not mark]
    return notebook | {"cells": kept}


def last_line(text: str) -> str:
    """The last line of what an error says."""
    return (text.strip().splitlines() or [""])[-1]


def run(path: Path, output: Path, parameters: dict) -> None:
    """Execute a notebook by papermill into `output`, stripped of what changes from run to run.

    Raises NotebookFailed if a cell failed or did not run (papermill alone overlooks the latter);
    the half-run notebook is then kept beside `output`, until a later run succeeds.
    """
    import papermill
    from jupyter_client.kernelspec import NoSuchKernel

    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # failures are told below
    half = output.with_name(f"{output.stem}.failed.ipynb")
    parameters, died = checked(parameters), False
    with atomic(output) as temporary, connection() as config:
        try:
            papermill.execute_notebook(
                path,
                temporary,
                parameters=parameters,
                kernel_name=KERNEL,
                progress_bar=False,
                log_output=False,
                extra_arguments=QUIET,
                config=config,
            )
        except papermill.PapermillExecutionError:
            pass  # `unfinished` says where
        except NoSuchKernel:
            raise InputError(f"no Jupyter kernel '{KERNEL}': pip install ipykernel") from None
        except RuntimeError:  # DeadKernelError, or it died before it answered
            died = True
        executed = without_marks(read(temporary))
        problems = [f"cell {last_begun(executed)}\nits kernel died"] if died else []
        if problems := problems or unfinished(executed):
            write(stripped(executed), half)
            raise NotebookFailed(f"{path.name}, {problems[0]}\nhalf-run notebook: {half}")
        write(stripped(executed) | {"metadata": plain_metadata(stamp(path, parameters))}, temporary)
    half.unlink(missing_ok=True)


def run_each(jobs: list[tuple[Path, Path, dict]]) -> Iterator[tuple[Path, NotebookFailed | None]]:
    """Run notebooks, the arguments of `run`; gives each as it ends, and how it failed, if it did.

    Several run at a time where kernels can be forks, whose imports are made once.
    """
    at_once = min(cores(), MOST, len(jobs)) if can_fork() else 1
    with ThreadPoolExecutor(max(at_once, 1)) as pool, forked_kernels():
        first = sorted(jobs, key=lambda job: job[0].stem != OWN)  # it trains: not to be the last
        running = {pool.submit(run, *job): job[0] for job in first}
        try:
            for each in as_completed(running):
                error = each.exception()
                if error and not isinstance(error, NotebookFailed):
                    raise error
                yield running[each], error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def stripped(notebook: dict) -> dict:
    """A notebook without timings, widget state and random cell ids, its pictures light.

    Views of widgets go with their state: a reader without a kernel sees the picture beside them.
    """
    cells = []
    for number, cell in enumerate(notebook["cells"]):
        tags = cell["metadata"].get("tags", [])
        cells.append(cell | {"id": str(number), "metadata": {"tags": tags} if tags else {}})
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET, None)
            if PNG in output.get("data", {}):
                output["data"] |= lightened(output["data"].pop(PNG))
    return notebook | {"cells": cells}


def lightened(picture: str) -> dict[str, str]:
    """A PNG in base 64 as what shows the same in fewer bytes, by its MIME type."""
    kind, data = light(base64.b64decode(picture))
    return {kind: base64.b64encode(data).decode()}


def plain_metadata(stamped: dict) -> dict:
    """Notebook metadata that any machine can open."""
    kernel = {"display_name": "Python 3", "language": "python", "name": KERNEL}
    return {"kernelspec": kernel, "language_info": {"name": "python"}, "cdvae": stamped}


def refresh(names: list[str]) -> None:
    """Execute committed notebooks in place, by default all, with the parameters in them."""
    paths = [path for path in numbered() if not names or path.stem in names]
    shown = {p: PARAMETERS | {"profile": profile_of(p), "data": data_of(p)[0]} for p in paths}
    for path, error in run_each([(path, path, shown[path]) for path in paths]):
        if error:
            raise error
        print(f"ran {path.name}", flush=True)
        executed = read(path)
        executed["cells"] = [cell for cell in executed["cells"] if not is_injected(cell)]
        write(stripped(executed), path)
