"""What a method is: one entry, from which every list of methods in the project is derived."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any

from cdvae.data.fields import Task
from cdvae.model import Model
from cdvae.training import Training

KINDS = (  # rows, in order
    *("paper", "reading", "extension", "rival"),
    *("own", "control", "truth", "variant"),
)
LOOKS = (("#882255", "d"), ("#44AA99", "8"), ("#999933", "H"), ("#AA4499", "1"))  # of one's own
EVERYWHERE = (  # every task on the data of which the project publishes checkpoints
    *(f"{task}-{data}" for data in ("scenes", "coco") for task in ("relighting", "resaturation")),
    *("motion-scenes", "motion-ucf101"),
)


@dataclass(frozen=True)
class Table:
    """A table of settings that belongs to no method: its name in a profile, and its dataclass."""

    name: str
    kind: type


@dataclass(frozen=True)
class Method:
    """A row of the tables.

    name: what `--methods` and the files of scores call it. label: what tables and figures do.
    kind: one of KINDS; a "reading" differs in one respect from a row of the paper's. about: a line
    for help texts. look: colour and marker.

    A learned method has a `model` and builds it: build(task, profile) gives it untrained, with
    initial weights from torch's global random state. A method that is not learned has `fit`:
    fit(train, valid, profile, n) takes `Examples` and gives a sampler of n and what is to be told
    of it. The truth has neither: the data set draws.

    tables: the dataclasses of its settings by the names of their tables in a profile; a table's
    `steps` are its training's, its `n_test` the test examples that it is scored on, the first.
    tasks: those that it has, () for all. guided: the size of the code that the embedding guides.
    fixed: settings that make it this row whatever a profile says, {"tie": {"exact": True}}.
    variant_of: the method that an ablation's variant is compared with. published: the
    `<task>-<data>` of which the project brings a checkpoint.
    """

    name: str
    label: str
    kind: str = "own"
    about: str = ""
    look: tuple[str, str] | None = None
    model: type[Model] | None = None
    build: Callable[[Task, Any], Model] | None = None
    fit: Callable[..., tuple[Any, dict]] | None = None
    tables: Mapping[str, type] = field(default_factory=lambda: MappingProxyType({}))
    tasks: tuple[str, ...] = ()
    guided: Callable[[Any], int] | None = None
    fixed: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    variant_of: str = ""
    published: tuple[str, ...] = ()

    @property
    def is_learned(self) -> bool:
        """Whether it has weights."""
        return self.build is not None

    @property
    def is_joint(self) -> bool:
        """Whether its loss bounds −log P(x_c, x_g)."""
        return self.model is not None and self.model.is_joint

    def offers(self, part: str) -> bool:
        """Whether its model has an optional part of `Model` of its own, such as "log_weights"."""
        return self.model is not None and getattr(self.model, part) is not getattr(Model, part)

    @property
    def has_likelihood(self) -> bool:
        """Whether a density of the whole field can be estimated."""
        return self.offers("log_weights")

    def serves(self, task: str) -> bool:
        """Whether it has that task."""
        return not self.tasks or task in self.tasks

    def own(self, profile: Any, name: str, otherwise: int) -> int:
        """A number that one of its own tables of settings may have: "steps" or "n_test"."""
        tables = [getattr(profile, table) for table in self.tables]
        return next((getattr(t, name) for t in tables if hasattr(t, name)), otherwise)

    def training(self, profile: Any) -> Training:
        """The settings of its training: some have a length of their own."""
        steps = self.own(profile, "steps", profile.training.steps)
        return replace(profile.training, steps=profile.steps_of.get(self.name, steps))

    def n_scored(self, profile: Any, n_test: int) -> int:
        """How many of n_test test examples it is scored on, the first."""
        return min(self.own(profile, "n_test", 0) or n_test, n_test)

    def guided_code(self, profile: Any) -> int:
        """The size of the code that the embedding guides; 0 where it guides none."""
        is_off = not self.guided or self.training(profile).guidance_start == 0
        return 0 if is_off else self.guided(profile)

    def settings(self, profile: Any) -> dict[str, Any]:
        """The settings that shape it, and no others."""
        found: dict[str, Any] = {name: asdict(getattr(profile, name)) for name in self.tables}
        if self.is_learned:
            found["training"] = asdict(self.training(profile))
        examples = {"flips": profile.flips, "n_used": profile.n_used}
        if self.kind != "truth":
            found |= {name: value for name, value in examples.items() if value}
        return found
