"""The explorer's sliders: thin ipywidgets around `pages.render` and `dynamics.render`.

A change only says that the page is out of date. The page is drawn a moment later, once, from the
values that the controls have then, so that a slider that moves fast never builds a queue.
"""

import asyncio
import hashlib
import html
import tempfile
import traceback
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cached_property
from pathlib import Path

import ipywidgets as widgets
from IPython.display import Javascript
from matplotlib.figure import Figure

from cdvae import checkpoints
from cdvae.checkpoints import Checkpoint
from cdvae.explore import dynamics as explore_dynamics
from cdvae.explore import pages as explore
from cdvae.explore.controls import (
    COLUMNS,
    DYNAMICS,
    LABELS,
    NAME_SLIDERS,
    OWN,
    SCENES,
    TASKS,
    as_image,
    controls,
)
from cdvae.explore.offers import components_of, setting_of
from cdvae.explore.sheet import HEIGHT, WIDTH, png
from cdvae.explore.tiles import finishes_of
from cdvae.explore.views import VIEWS, views_of
from cdvae.methods import label, ordered
from cdvae.postprocess import own as subjects
from cdvae.tools.files import InputError, marked

__all__ = ["DYNAMICS", "LABELS", "OWN", "SCENES", "TASKS", "Panel"]

DELAY = 0.03  # seconds in which changes gather before the page is drawn
FIRST = "mdn12"  # the method that is shown first, where there is a model of it


class Panel:
    """The controls and the page; `errors` keeps every exception that was not the reader's doing.

    own: models of one's own by name (`checkpoints.of_run`), offered beside those that came with
    the project; one of the same name takes its place. task and method: what it opens on.
    """

    def __init__(
        self,
        own: Mapping[str, Checkpoint] | None = None,
        task: str = "resaturation",
        method: str = FIRST,
    ):
        self.own, self.first = dict(own or {}), method
        self.cards = checkpoints.cards() | {name: each.card for name, each in self.own.items()}
        self.controls = controls()
        self.controls["task"].value = task
        self.picture = widgets.HTML(layout=widgets.Layout(width=f"{WIDTH}px", height=f"{HEIGHT}px"))
        self.page_png = b""
        self.message = widgets.HTML(layout=widgets.Layout(min_height="32px"))
        self.errors: list[Exception] = []
        self.n_drawn = 0
        self.file: Path | None = None  # the photo or clip to be explored
        self._pending: asyncio.TimerHandle | None = None
        self._adapting = False
        self.refresh()
        special = {"path": self.on_path, "upload": self.on_upload}
        for name, control in self.controls.items():
            control.observe(special.get(name, self.later), "value")
        columns = [widgets.VBox([self.controls[name] for name in column]) for column in COLUMNS]
        names = widgets.Output(layout=widgets.Layout(height="0", margin="0"))
        names.append_display_data(Javascript(NAME_SLIDERS))
        self.box = widgets.VBox([widgets.HBox(columns), self.message, self.picture, names])

    def _repr_mimebundle_(self, **options) -> dict:
        """The panel where there is a kernel, and its first page for whoever has none."""
        page = b64encode(self.page_png).decode()
        return self.box._repr_mimebundle_(**options) | {"image/png": page}

    def later(self, change: dict) -> None:
        """Draw soon, unless that is already to come; at once where no event loop runs."""
        if self._adapting or self._pending:
            return
        try:
            self._pending = asyncio.get_running_loop().call_later(DELAY, self.refresh)
        except RuntimeError:  # a script or a test
            self.refresh()

    def on_path(self, change: dict) -> None:
        """A path that was typed in is the source from now on."""
        if change["new"]:
            self.take(Path(change["new"]), change)

    def on_upload(self, change: dict) -> None:
        """So is a file that was uploaded; it is kept while the panel is."""
        saved: list[Path] = []
        self.guarded(lambda: saved.extend(map(self.saved, change["new"])))
        for path in saved:
            self.take(path, change)

    def take(self, path: Path, change: dict) -> None:
        self.file, self.controls["source"].value = path, OWN
        self.later(change)

    def saved(self, upload: dict) -> Path:
        """An uploaded file on disk, under its own name in a folder named by its bytes."""
        content = bytes(upload["content"])
        folder = Path(self.uploads.name) / hashlib.sha256(content).hexdigest()[:16]
        folder.mkdir(exist_ok=True)
        path = folder / (Path(upload["name"]).name or "upload")
        path.write_bytes(content)
        return path

    @cached_property
    def uploads(self) -> tempfile.TemporaryDirectory:
        """Where uploaded files are kept; a later run sweeps it if a kernel's end does not."""
        return tempfile.TemporaryDirectory(prefix=marked("uploads"))

    def finish(self) -> None:
        """Draw now what is still to be drawn."""
        if self._pending:
            self.refresh()

    def refresh(self) -> None:
        """Bring the controls in line with each other, then the page in line with them."""
        if self._pending:
            self._pending.cancel()
        self._pending = None
        self.guarded(self.draw)

    def guarded(self, action: Callable[[], None]) -> None:
        """Do it; what goes wrong is said above the page, which stays as it was."""
        try:
            action()
        except InputError as error:
            self.say(str(error))
        except Exception as error:  # never lost in a widget
            self.errors.append(error)
            self.say("".join(traceback.format_exception_only(error)).strip())
        else:
            self.say("")

    def say(self, text: str) -> None:
        """A sentence above the page; screen readers read it out."""
        warning = f"<b style='color: #B00020'>{html.escape(text)}</b>" if text else ""
        self.message.value = f"<div role='alert'>{warning}</div>"

    def draw(self) -> None:
        self._adapting = True
        try:
            figure, text = self.page()
        finally:
            self._adapting = False
        self.page_png = png(figure)
        self.picture.value = as_image(self.page_png, text)
        self.n_drawn += 1

    def page(self) -> tuple[Figure, str]:
        """The figure for the present values, and what it shows in words."""
        if self.controls["task"].value == DYNAMICS:
            return self.dynamics_page()
        checkpoint = self.checkpoint()
        subject = self.subject(checkpoint.task.name)
        choices = self.choices(checkpoint)
        figure = explore.render(checkpoint, subject, choices)
        return figure, explore.describe(checkpoint, subject, choices)

    def checkpoint(self) -> Checkpoint:
        """The model of the present task, source and method."""
        task, source = self.controls["task"].value, self.controls["source"].value
        self.enable("source", "path", "upload", "example", "method", "finish", "seed")
        names = self.models(task, source)
        if not names:
            raise InputError(
                f"no checkpoint of {task} for {source} in {checkpoints.folder()}: "
                "give Panel one of yours (cdvae.checkpoints.of_run)"
            )
        options = [(self.label(method, name), method) for method, name in names.items()]
        self.offer("method", options, self.first)
        name = names[self.controls["method"].value]
        return self.own[name] if name in self.own else checkpoints.load(name)

    def models(self, task: str, source: str) -> dict[str, str]:
        """The names of the models of a task and source, in the order of the tables.

        By method, so that a change of task or source keeps the method; by their own names where
        there are several of one method. Models of scenes see scenes, all others one's own files.
        """
        mine = {
            name: card["method"]
            for name, card in sorted(self.cards.items())
            if card["task"] == task and (card["data"] == "scenes") == (source == SCENES)
        }
        found = list(mine.values())
        rank = ordered(found)
        names = sorted(mine, key=lambda name: rank.index(mine[name]))
        return {mine[name] if found.count(mine[name]) == 1 else name: name for name in names}

    def label(self, option: str, name: str) -> str:
        """What the picker calls a model: its method, and its name where that is not enough."""
        method = self.cards[name]["method"]
        return label(method) if option == method else f"{label(method)} ({name})"

    def subject(self, task: str) -> subjects.Subject:
        """What the present source shows."""
        k = self.controls["example"].value - 1
        if self.controls["source"].value == SCENES:
            return subjects.scene(task, k)
        if self.file is None:
            raise InputError("No file yet: upload a photo or clip, or give its path.")
        subject = subjects.own(self.file, task, k)
        self.enable("example", only=len(subject.fields) > 1)  # a clip has up to eight
        return subject

    def choices(self, checkpoint: Checkpoint) -> explore.Choices:
        """What the controls say, after they were brought in line with the model."""
        views = [(VIEWS[name].label, name) for name in views_of(checkpoint)]
        self.offer("view", views, "samples")
        finishes = finishes_of(checkpoint).items()
        self.offer("finish", [(text, name) for name, text in finishes], "off")
        n_components = components_of(checkpoint)
        numbers = [(f"{k} alone", k) for k in range(1, n_components + 1)]
        self.offer("component", [("all, by weight", 0), *numbers], 0)
        view = VIEWS[self.controls["view"].value]
        for name in ("n", "first", "second"):
            self.enable(name, only=name in view.uses)
        self.enable("view")
        self.enable("spread", only=bool(setting_of(checkpoint)))
        self.enable("component", only=n_components > 0)
        self.enable("dimension", "pair", only=False)
        return self.chosen(explore.Choices)

    def dynamics_page(self) -> tuple[Figure, str]:
        """As `page`, for Visual Dynamics."""
        model = explore_dynamics.network()
        self.offer("method", [(label("crossconv"), "crossconv")], "crossconv")
        views = [(view.label, name) for name, view in explore_dynamics.VIEWS.items()]
        self.offer("view", views, "samples")
        view = explore_dynamics.VIEWS[self.controls["view"].value]
        used = ("task", "example", "view", *view.uses)
        for name in self.controls:
            self.enable(name, only=name in used)
        choices = self.chosen(explore_dynamics.Choices)
        figure = explore_dynamics.render(model, explore_dynamics.pairs(), choices)
        return figure, explore_dynamics.describe(choices)

    def chosen(self, kind: type):
        """Choices of that kind: the value of the control of each one's name."""
        return kind(**{each.name: self.controls[each.name].value for each in fields(kind)})

    def offer(self, name: str, options: list[tuple], default) -> None:
        """Give a picker these options; it keeps its value if that is among them."""
        control = self.controls[name]
        if list(control.options) != options:
            values = [value for _, value in options]
            kept = control.value if control.value in values else default
            control.options = options
            control.value = kept if kept in values else values[0]

    def enable(self, *names: str, only: bool = True) -> None:
        """Make controls usable, or grey where they change nothing."""
        for name in names:
            self.controls[name].disabled = not only
