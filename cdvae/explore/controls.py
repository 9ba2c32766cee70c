"""The explorer's controls, each with its name for a screen reader, and its page as HTML."""

import html
from base64 import b64encode

import ipywidgets as widgets

from cdvae.data import fields
from cdvae.explore import dynamics
from cdvae.explore.pages import MOST
from cdvae.explore.sheet import HEIGHT, WIDTH

DYNAMICS = "Visual Dynamics"
TASKS = (*fields.TASKS, DYNAMICS)
SCENES, OWN = "built-in scenes", "a photo or clip of my own"
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
        "n": slider("n", 1, MOST, 4),
        "seed": slider("seed", 0, 50, 0),
        "spread": widgets.FloatSlider(1.0, min=0.0, max=3.0, step=0.05, **common("spread")),
        "component": picker("component", [("all, by weight", 0)]),
        "first": slider("first", 1, MOST, 1),
        "second": slider("second", 1, MOST, 2),
        "dimension": slider("dimension", 1, dynamics.SHOWN, 1),
        "pair": slider("pair", 1, dynamics.PAIRS, 2),
    }


def as_image(data: bytes, text: str) -> str:
    """A page as HTML: `widgets.Image` has no text for a screen reader, and this one never jumps."""
    source, said = b64encode(data).decode(), html.escape(text, quote=True)
    size = f"width='{WIDTH}' height='{HEIGHT}' decoding='sync'"
    return f"<img src='data:image/png;base64,{source}' {size} alt='{said}'>"
