"""The explorer's sliders: thin ipywidgets around `explore.render` and `explore_dynamics.render`.

A change only says that the page is out of date. The page is drawn a moment later, once, from the
values that the controls have then, so that a slider that moves fast never builds a queue.
"""

import asyncio
import hashlib
import html
import tempfile
import traceback
from base64 import b64encode
from pathlib import Path

import ipywidgets as widgets
from IPython.display import Javascript

from cdvae import checkpoints
from cdvae.explore import dynamics as explore_dynamics
from cdvae.explore import pages as explore
from cdvae.explore.sheet import HEIGHT, WIDTH, png
from cdvae.postprocess import own as subjects
from cdvae.report.results import NAMES
from cdvae.tools.files import InputError

DELAY = 0.03  # seconds in which changes gather before the page is drawn
DYNAMICS = "Visual Dynamics"
TASKS = ("relighting", "resaturation", "motion", DYNAMICS)
SCENES, OWN = "built-in scenes", "a photo or clip of my own"
DATA = {"motion": "ucf101"}  # whose models see one's own clips; photos have those of coco
ARROWS = {"off": "off: flow in colours", "upsampled": "arrows on the picture"}
EXAMPLES = 100  # scenes to choose from
LABELS = {  # each control's label, as a screen reader says it
    "task": "Task",
    "source": "Source",
    "method": "Method",
    "path": "Path",
    "upload": "Upload a photo or clip",
    "example": "Example",
    "view": "Show",
    "finish": "Post-processing",
    "n": "Samples",
    "seed": "Random seed",
    "spread": "Spread of the tie",
    "component": "Component",
    "first": "First sample",
    "second": "Second sample",
    "dimension": "Code dimension",
    "pair": "Motion of pair",
}
COLUMNS = (
    ("task", "source", "path", "upload", "example"),
    ("method", "view", "finish", "n", "seed"),
    ("spread", "component", "first", "second", "dimension", "pair"),
)

# ipywidgets ties a slider's label to nothing: this gives each handle its name for a screen reader
NAME_SLIDERS = """
const name = () => document.querySelectorAll(".widget-slider").forEach((slider) => {
  const label = slider.querySelector("label"), handle = slider.querySelector(".noUi-handle");
  if (label && handle) handle.setAttribute("aria-label", label.textContent);
});
[0, 300, 1000, 3000].forEach((ms) => setTimeout(name, ms));
"""


def controls() -> dict[str, widgets.Widget]:
    """The controls by name, at their first values."""
    style, layout = {"description_width": "112px"}, widgets.Layout(width="306px")

    def common(name: str) -> dict:
        return {"description": LABELS[name], "style": style, "layout": layout}

    def slider(name: str, low: int, high: int, value: int) -> widgets.IntSlider:
        return widgets.IntSlider(value, low, high, **common(name))

    def picker(name: str, options) -> widgets.Dropdown:
        return widgets.Dropdown(options=options, **common(name))

    path = {"placeholder": "photo.jpg, clip.mp4; then Enter", "continuous_update": False}
    return {
        "task": picker("task", TASKS),
        "source": picker("source", (SCENES, OWN)),
        "path": widgets.Text(**path, **common("path")),
        "upload": widgets.FileUpload(
            accept="image/*,video/*", description=LABELS["upload"], layout=layout
        ),
        "example": slider("example", 1, EXAMPLES, 1),
        "method": picker("method", ()),
        "view": picker("view", ()),
        "finish": picker("finish", ()),
        "n": slider("n", 1, explore.MOST, 4),
        "seed": slider("seed", 0, 50, 0),
        "spread": widgets.FloatSlider(1.0, min=0.0, max=3.0, step=0.05, **common("spread")),
        "component": picker("component", [("all, by weight", 0)]),
        "first": slider("first", 1, explore.MOST, 1),
        "second": slider("second", 1, explore.MOST, 2),
        "dimension": slider("dimension", 1, 8, 1),
        "pair": slider("pair", 1, explore_dynamics.PAIRS, 2),
    }


class Panel:
    """The controls and the page; `errors` keeps every exception that was not the reader's doing."""

    def __init__(self, task: str = "resaturation"):
        self.controls = controls()
        self.controls["task"].value = task
        self.picture = widgets.HTML(layout=widgets.Layout(width=f"{WIDTH}px", height=f"{HEIGHT}px"))
        self.page_png = b""
        self.message = widgets.HTML(layout=widgets.Layout(min_height="32px"))
        self.errors: list[Exception] = []
        self.n_drawn = 0
        self.own: Path | None = None  # the photo or clip to be explored
        self._uploads = tempfile.TemporaryDirectory(prefix="cdvae-")
        self._pending: asyncio.TimerHandle | None = None
        self._adapting = False
        self.refresh()
        own = {"path": self.on_path, "upload": self.on_upload}
        for name, control in self.controls.items():
            control.observe(own.get(name, self.later), "value")
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
        self.own, self.controls["source"].value = path, OWN
        self.later(change)

    def saved(self, upload: dict) -> Path:
        """An uploaded file on disk, under its own name in a folder named by its bytes."""
        content = bytes(upload["content"])
        folder = Path(self._uploads.name) / hashlib.sha256(content).hexdigest()[:16]
        folder.mkdir(exist_ok=True)
        path = folder / (Path(upload["name"]).name or "upload")
        path.write_bytes(content)
        return path

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

    def guarded(self, action) -> None:
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

    def page(self):
        """The figure for the present values, and what it shows in words."""
        if self.controls["task"].value == DYNAMICS:
            return self.dynamics_page()
        checkpoint = self.checkpoint()
        subject = self.subject(checkpoint.task.name)
        choices = self.choices(checkpoint)
        figure = explore.render(checkpoint, subject, choices)
        return figure, explore.describe(checkpoint, subject, choices)

    def checkpoint(self) -> checkpoints.Checkpoint:
        """The model of the present task, source and method."""
        task = self.controls["task"].value
        self.enable("source", "path", "upload", "example", "method", "finish", "seed")
        is_own = self.controls["source"].value == OWN
        data = DATA.get(task, "coco") if is_own else "scenes"
        names = [n for n in checkpoints.names() if n.startswith(task) and n.endswith(f"-{data}")]
        if not names:
            raise InputError(f"no checkpoint of {task} for {data} in {checkpoints.folder()}")
        methods = [(NAMES[name.split("-")[1]], name.split("-")[1]) for name in names]
        order = list(NAMES)
        self.offer("method", sorted(methods, key=lambda pair: order.index(pair[1])), "mdn12")
        method = self.controls["method"].value
        return checkpoints.load(checkpoints.name_of(task, method, data))

    def subject(self, task: str) -> subjects.Subject:
        """What the present source shows."""
        k = self.controls["example"].value - 1
        if self.controls["source"].value == SCENES:
            return subjects.scene(task, k)
        if self.own is None:
            raise InputError("No file yet: upload a photo or clip, or give its path.")
        subject = subjects.own(self.own, task, k)
        self.enable("example", only=len(subject.fields) > 1)  # a clip has up to eight
        return subject

    def choices(self, checkpoint: checkpoints.Checkpoint) -> explore.Choices:
        """What the controls say, after they were brought in line with the model."""
        views = explore.views_of(checkpoint)
        self.offer("view", [(explore.VIEWS[view], view) for view in views], "samples")
        finishes = ARROWS if checkpoint.task.name == "motion" else explore.FINISHES
        self.offer("finish", [(text, name) for name, text in finishes.items()], "off")
        n_components = explore.components_of(checkpoint)
        numbers = [(f"{k} alone", k) for k in range(1, n_components + 1)]
        self.offer("component", [("all, by weight", 0), *numbers], 0)
        view = self.controls["view"].value
        self.enable("view", "n", only=view not in ("walk", "summary"))
        self.enable("spread", only=hasattr(checkpoint.model, "tie"))
        self.enable("component", only=n_components > 0)
        self.enable("first", only=view in ("walk", "layers", "untied"))
        self.enable("second", only=view == "walk")
        self.enable("dimension", "pair", only=False)
        return explore.Choices(**{name: self.controls[name].value for name in CHOSEN})

    def dynamics_page(self):
        """As `page`, for Visual Dynamics."""
        model = explore_dynamics.network()
        self.offer("method", [("cross convolution", "crossconv")], "crossconv")
        views = [(text, view) for view, text in explore_dynamics.VIEWS.items()]
        self.offer("view", views, "samples")
        self.controls["dimension"].max = model.sizes.n_code()
        view = self.controls["view"].value
        for name in self.controls:
            self.enable(name, only=name in ("task", "example", "view"))
        self.enable("n", "seed", only=view == "samples")
        self.enable("dimension", only=view == "traversal")
        self.enable("pair", only=view == "transfer")
        chosen = ("view", "example", "n", "seed", "dimension", "pair")
        choices = explore_dynamics.Choices(**{name: self.controls[name].value for name in chosen})
        figure = explore_dynamics.render(model, explore_dynamics.pairs(), choices)
        return figure, explore_dynamics.describe(choices)

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


def as_image(data: bytes, text: str) -> str:
    """A page as HTML: `widgets.Image` has no text for a screen reader, and this one never jumps."""
    source, said = b64encode(data).decode(), html.escape(text, quote=True)
    size = f"width='{WIDTH}' height='{HEIGHT}' decoding='sync'"
    return f"<img src='data:image/png;base64,{source}' {size} alt='{said}'>"


CHOSEN = ("view", "n", "seed", "spread", "component", "first", "second", "finish")
