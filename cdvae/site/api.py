"""The reference of the public names, made of their docstrings."""

import re

import cdvae

GROUPS = {  # by where a name is defined, from what a reader meets first
    "Trained models": ("cdvae.checkpoints", "cdvae.covering"),
    "Models": ("cdvae.model", "cdvae.dvae", "cdvae.ties", "cdvae.networks"),
    "Data": ("cdvae.data",),
    "Guidance, training and scores": ("cdvae.guidance", "cdvae.training", "cdvae.metrics"),
}
REST = "Entries of one's own"
INTRO = """# API

The public names, as `import cdvae` gives them. Docstrings state shapes, units, what is raised, and
the equation of the paper. What they have in common: fields are `(batch, channels, 32, 32)` in the
ranges that `Fields` states, every term of a loss is in nats per example, and what a user can get
wrong raises `InputError`, one sentence with its remedy.
"""


def page() -> str:
    """The page: a section for each group of names."""
    left, parts = dict(cdvae.PUBLIC), [INTRO]
    for title, places in GROUPS.items():
        names = [name for name, module in left.items() if module.startswith(places)]
        parts.append(section(title, {name: left.pop(name) for name in names}))
    return "\n".join([*parts, section(REST, left)])


def section(title: str, names: dict[str, str]) -> str:
    kinds = {name: "autoclass" if is_class(name) else "autofunction" for name in names}
    extra = "   :members:\n   :member-order: bysource\n"
    rows = [
        f".. {kinds[name]}:: {module}.{name}\n" + extra * (kinds[name] == "autoclass")
        for name, module in names.items()
    ]
    return f"## {title}\n\n```{{eval-rst}}\n" + "\n".join(rows) + "```\n"


def is_class(name: str) -> bool:
    return isinstance(getattr(cdvae, name), type)


def as_rst(app, what, name, found, options, lines: list[str]) -> None:
    """Docstrings are plain text: what reStructuredText would read into it is escaped, a block that
    is set in stays as it is set."""
    made: list[str] = []
    in_block = False
    for line in lines:
        if line.startswith((" ", "\t")) and (in_block or (made and not made[-1].strip())):
            if not in_block:
                made += ["::", ""]
            in_block = True
            made.append("    " + line)
            continue
        if line.strip():
            in_block = False
        made.append(line if in_block else escaped(line))
    lines[:] = made


def escaped(line: str) -> str:
    """One line; code in single back-ticks stays code."""
    parts = re.split(r"(`[^`]*`)", line)
    for k, part in enumerate(parts):
        parts[k] = f"`{part}`" if k % 2 else re.sub(r"([*|\\_])", r"\\\1", part)
    return "".join(parts)
