"""Fit, sample, score: the runs of a profile on a data set, cached on disk.

A run is one task, method and seed. Its model and its scores are looked up under a key made of
every setting and all code that shaped them, and made when they are not there; so an interrupted
reproduction goes on from what is finished.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from cdvae import guidance
from cdvae.data import sources
from cdvae.data.fields import Fields, task_named
from cdvae.data.flips import with_flips
from cdvae.data.sources import Plan, Source
from cdvae.methods.build import fit_unlearned
from cdvae.methods.neighbours import fit_neighbours
from cdvae.methods.registry import (
    ALL_METHODS,
    BOUNDED,
    JOINT,
    LEARNED,
    MOTION_ONLY,
    OWN_ROOMS,
    PLAIN_SPACES,
    guided_code,
    scored_on,
    settings_of,
    training_of,
    untrained,
)
from cdvae.metrics import COUNTS, score_samples
from cdvae.runs.scoring import likelihood_rows, mode_rows, sample_rows
from cdvae.runs.settings import Profile, load_profile
from cdvae.tools.files import InputError, atomic, cache_root, code_hash, key_of, sha256, write_json
from cdvae.tools.progress import Progress
from cdvae.tools.provenance import circumstances, peak_memory_mb
from cdvae.training import Examples, Training, fit, mean_loss

MODEL_ROOMS = (
    "gaussian",
    "networks",
    "dvae",
    "ties",
    "model",
    "methods/baselines",
    "methods/build",
    "training",
)
GUIDANCE_ROOMS = ("guidance",)
SCORE_ROOMS = ("metrics", "data/drawn/modes", "likelihood", "runs/scoring")

Draw = Callable[[slice, int], Tensor]  # (test examples, n) -> samples (batch, n, C_g, 32, 32)


@dataclass(frozen=True)
class Run:
    """One cell of the tables."""

    task: str
    method: str
    seed: int

    def __str__(self) -> str:
        return f"{self.task}/{self.method}/{self.seed}"

    @classmethod
    def named(cls, name: str) -> "Run":
        """The run that is printed so."""
        task, method, seed = name.split("/")
        return cls(task, method, int(seed))

    @property
    def is_joint(self) -> bool:
        """Whether the method models p(x_c, x_g)."""
        return self.method in JOINT


@cache
def room_hash(names: tuple[str, ...]) -> str:
    return code_hash(*(f"{name}.py" for name in names))


def pick_device(name: str) -> torch.device:
    """The device of that name; "auto" takes a GPU where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.zeros(0, device=name).device
    except (RuntimeError, AssertionError):
        raise InputError(f"device '{name}' cannot be used here: try --device cpu") from None


def best_row(history: list[dict]) -> dict:
    """The check whose weights were kept."""
    return min(history, key=lambda row: row["valid_loss"])


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, so that results do not depend on how many cores a machine has.

    Torch's threads and those of the linear algebra beneath NumPy and SciPy, which solves the
    eigenproblem of the embedding.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


class Experiment:
    """Every run of one profile on one source; holds the data of one task at a time."""

    def __init__(
        self, profile: Profile, data: str = "scenes", root: str | None = None, device: str = "auto"
    ):
        self.profile, self.device = profile, pick_device(device)
        sizes = (profile.n_train, profile.n_valid, profile.n_test)
        folder = Path(root).expanduser() if root else None
        self.source = Source(data, folder, *sizes, profile.data_seed)
        self._plans: dict[str, Plan] = {}
        self._loaded: tuple[str, dict[str, Fields]] | None = None

    def runs(
        self,
        tasks: list[str] | None = None,
        methods: list[str] | None = None,
        seeds: list[int] | None = None,
    ) -> list[Run]:
        """The runs asked for, by default all that the source and the profile have.

        Where the true conditional is known it is scored as one more method.
        """
        tasks = tasks or list(self.source.tasks())
        for task in tasks:
            self.source.check(task_named(task))
        chosen = methods or list(self.profile.methods)
        for method in chosen:
            if method not in ALL_METHODS:
                raise InputError(f"unknown method '{method}': choose from {', '.join(ALL_METHODS)}")
        if methods is None and self.source.name == "scenes":
            chosen.append("truth")
        every = [(t, m, s) for t in tasks for m in chosen for s in seeds or self.profile.seeds]
        runs = [Run(*each) for each in every if each[1] not in MOTION_ONLY or each[0] == "motion"]
        if not runs:
            raise InputError(f"{', '.join(chosen)}: predicts motion only: give --tasks motion")
        return runs

    def plan(self, task: str) -> Plan:
        if task not in self._plans:
            self._plans[task] = sources.plan(self.source, task_named(task))
        return self._plans[task]

    def fields(self, task: str) -> dict[str, Fields]:
        """The splits of a task."""
        if self._loaded is None or self._loaded[0] != task:
            self.forget()  # before the next task comes
            self._loaded = (task, sources.load(self.plan(task)))
        return self._loaded[1]

    def forget(self) -> None:
        """Let go of the data of the present task."""
        self._loaded = None

    def model_key(self, run: Run) -> str:
        """The key of all that shapes a run's model."""
        settings = settings_of(run.method, self.profile.of(run.task))
        rooms = (*MODEL_ROOMS, *OWN_ROOMS.get(run.method, ()))
        rooms += ("methods/neighbours",) * ("spaces" in settings)
        code = room_hash(rooms), room_hash(GUIDANCE_ROOMS)
        return key_of(
            self.plan(run.task).key, *asdict(run).values(), settings, code, self.device.type
        )

    def score_key(self, run: Run) -> str:
        """The key of all that shapes a run's scores."""
        settings = asdict(self.profile.likelihood) if run.method in BOUNDED else {}
        settings |= {"n_test": n} if (n := scored_on(run.method, self.profile.of(run.task))) else {}
        return key_of(self.model_key(run), COUNTS, settings, room_hash(SCORE_ROOMS))

    def checkpoint(self, run: Run) -> Path:
        return cache_root() / "models" / f"{self.model_key(run)}.safetensors"

    def score_file(self, run: Run) -> Path:
        return cache_root() / "scores" / f"{self.score_key(run)}.json"

    def steps(self, run: Run) -> int:
        """How many steps of progress are left of a run: its checks, and one for the scores."""
        if self.score_file(run).exists():
            return 0
        trains = run.method in LEARNED and not self.checkpoint(run).exists()
        return 1 + trains * self.profile.of(run.task).training.checks

    def shown_in_training(self, task: str) -> Fields:
        """The training split: its first `n_used` examples, with mirror images if `flips`."""
        train, settings = self.fields(task)["train"], self.profile.of(task)
        if settings.n_used:
            train = train.rows(torch.arange(len(train)) < settings.n_used)
        return with_flips(train) if settings.flips else train

    def examples(self, task: str, split: str, n_code: int = 0) -> Examples:
        """A split on the device, with embedding targets for a code of that size (train only)."""
        fields = self.shown_in_training(task) if split == "train" else self.fields(task)[split]
        p = torch.zeros(2, len(fields), max(n_code, 1))
        if n_code and split == "train":
            p = self.targets(task, n_code)
        p_c, p_g = p.expand(2, len(fields), -1)
        return Examples(*(x.to(self.device) for x in (fields.x_c, fields.x_g, p_c, p_g)))

    def targets(self, task: str, n_code: int) -> Tensor:
        """Embedding targets p_c and p_g of the training split: (2, N, n_code)."""
        settings = self.profile.of(task)
        weight = settings.guidance.semantic_weight
        about = {"flips": settings.flips, "n_used": settings.n_used}
        some = [pair for pair in about.items() if pair[1]]
        key = key_of(self.plan(task).key, n_code, weight, room_hash(GUIDANCE_ROOMS), *some)
        path = cache_root() / "targets" / f"{key}.safetensors"
        if not path.exists():
            try:
                with one_thread():
                    pair = guidance.targets(self.shown_in_training(task), n_code, weight)
            except ValueError as error:
                raise InputError(f"{task}: {error}: give more or more varied examples") from None
            with atomic(path) as temporary:
                save_file({"p": torch.stack([torch.from_numpy(p) for p in pair])}, temporary)
        with safe_open(path, framework="pt") as file:
            return file.get_tensor("p")

    def prepare(self, runs: list[Run]) -> None:
        """Make the fields and embedding targets of these runs."""
        for task in dict.fromkeys(run.task for run in runs):
            self.fields(task)
            methods = {run.method for run in runs if run.task == task}
            for n_code in {guided_code(method, self.profile.of(task)) for method in methods} - {0}:
                self.targets(task, n_code)
        self.forget()

    def training(self, run: Run) -> Training:
        """The settings of a run's training."""
        return training_of(run.method, self.profile.of(run.task))

    def untrained(self, run: Run) -> nn.Module:
        """A model as training begins; initial weights come from torch's global random state."""
        return untrained(run.method, task_named(run.task), self.profile.of(run.task))

    def model(self, run: Run, progress: Progress | None = None) -> nn.Module:
        """The trained model of a run, loaded or trained."""
        path = self.checkpoint(run)
        if not path.exists():
            with one_thread():
                self.train(run, path, progress or Progress(0, quiet=True))
        model = self.untrained(run)
        with safe_open(path, framework="pt") as file:
            model.load_state_dict({name: file.get_tensor(name) for name in file.keys()})
        return model.to(self.device).eval()

    def record(self, run: Run, name: str):
        """What training left in the header of the checkpoint: "about" or "history"."""
        with safe_open(self.checkpoint(run), framework="pt") as file:
            return json.loads(file.metadata()[name])

    def history(self, run: Run) -> list[dict[str, float]]:
        """The rows that training left, one a check (`training.fit`)."""
        return self.record(run, "history")

    def train(self, run: Run, path: Path, progress: Progress) -> None:
        """Train a model and write its weights, with its settings and history in their header."""
        settings = self.profile.of(run.task)
        n_code = guided_code(run.method, settings)
        train = self.examples(run.task, "train", n_code)
        valid = self.examples(run.task, "valid", n_code)
        torch.manual_seed(run.seed)
        model = self.untrained(run).to(self.device)
        model.standardise(train.x_c, train.x_g)

        def on_check(row: dict[str, float]) -> None:
            speed = f"{row['images_per_second']:,.0f} images/s"
            progress.step(f"{run} step {row['step']}: loss {row['valid_loss']:,.1f}, {speed}")

        history = fit(model, train, valid, self.training(run), run.seed, on_check)
        about = {
            "run": asdict(run),
            "settings": settings_of(run.method, settings),
            "seconds": sum(row["seconds"] for row in history),
            "circumstances": circumstances(self.device),
            "peak_memory_mb": peak_memory_mb(self.device),
        }
        header = {"history": json.dumps(history), "about": json.dumps(about)}
        with atomic(path) as temporary:
            weights = {name: value.contiguous() for name, value in model.state_dict().items()}
            save_file(weights, temporary, metadata=header)

    def sampler(self, run: Run, split: str, progress: Progress | None = None) -> tuple[Draw, dict]:
        """A function that draws samples for a split, and what is to be known of the method."""
        fields = self.fields(run.task)[split]
        generator = torch.Generator(self.device).manual_seed(run.seed)
        if run.method == "truth":
            truth = fields.truth.to(self.device)
            rows = torch.arange(len(fields), device=self.device)
            return lambda part, n: truth.sample(rows[part], n, generator), {}
        x_c = fields.x_c.to(self.device)
        if run.method not in LEARNED:
            train, valid = (self.examples(run.task, split) for split in ("train", "valid"))
            if len(train) < max(COUNTS):
                raise InputError(
                    f"{run.task}: {len(train)} training examples are too few for {max(COUNTS)} "
                    f"neighbours: give more, or leave out {run.method} with --methods"
                )
            settings, n = self.profile.of(run.task), max(COUNTS)
            sigmas, spaces = settings.nearest.sigmas, settings.spaces
            if run.method == "nn" and spaces != PLAIN_SPACES:
                model, about = fit_neighbours(train, valid, sigmas, spaces, n)
            else:
                model, about = fit_unlearned(run.method, train, valid, sigmas, n)
            return lambda part, n: model.sample(x_c[part], n, generator), about
        model = self.model(run, progress)
        about = self.record(run, "about")
        about["checkpoint_sha256"] = sha256(self.checkpoint(run))
        about["images_per_second"] = max(row["images_per_second"] for row in self.history(run))
        return lambda part, n: model.sample(x_c[part], n, generator), about

    def scores(self, run: Run, progress: Progress | None = None) -> dict:
        """Scores of a run on the test split, loaded or made: {"rows", "provenance"}."""
        path = self.score_file(run)
        if not path.exists():
            with one_thread():
                write_json(path, self.score(run, progress or Progress(0, quiet=True)))
            if progress:
                progress.step(f"{run} scored")
        return json.loads(path.read_text(encoding="utf-8"))

    def score(self, run: Run, progress: Progress) -> dict:
        """Score a run; also keeps the scores of each test example beside the others."""
        draw, about = self.sampler(run, "test", progress)
        test = self.examples(run.task, "test")
        n_test = scored_on(run.method, self.profile.of(run.task)) or len(test)
        start = time.perf_counter()
        each = score_samples(draw, test.x_g[:n_test])
        seconds = time.perf_counter() - start
        rows = sample_rows(each, task_named(run.task))
        if self.fields(run.task)["test"].truth is not None:
            rows += mode_rows(draw, self.fields(run.task)["test"], run.seed)
        if run.is_joint:
            rows.append(("nll_joint", 1, self.joint_bound(run), "nats"))
        if run.method in BOUNDED:
            settings = self.profile.likelihood
            rows += likelihood_rows(self.model(run), test.x_c, test.x_g, settings, run.seed)
        kept = self.score_file(run).with_suffix(".safetensors")
        with atomic(kept) as temporary:
            save_file({name: value.contiguous() for name, value in each.items()}, temporary)
        about |= {"score_seconds": seconds, "score_peak_memory_mb": peak_memory_mb(self.device)}
        about |= {"score_circumstances": circumstances(self.device), "key": self.score_key(run)}
        sizes = {"train": self.n_train(run.task), "test": len(each["variance"])}
        return {"rows": rows, "provenance": about, "sizes": sizes}

    def n_train(self, task: str) -> int:
        """How many examples the methods are trained on; mirror images do not count."""
        n, used = len(self.fields(task)["train"]), self.profile.of(task).n_used
        return min(n, used or n)

    def each_score(self, run: Run) -> dict[str, Tensor]:
        """The scores of each test example of a finished run (`metrics.score_samples`)."""
        with safe_open(self.score_file(run).with_suffix(".safetensors"), framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}

    def joint_bound(self, run: Run) -> float:
        """The bound on −log p(x_c, x_g) that the model reports (Eq. 2), nats per test example."""
        settings = self.profile.of(run.task)
        test = self.examples(run.task, "test", guided_code(run.method, settings))
        return mean_loss(self.model(run), test, settings.training.batch_size, run.seed)["loss"]


def open_runs(
    profile: str = "quick",
    data: str = "scenes",
    root: str | None = None,
    tasks: list[str] | None = None,
    methods: list[str] | None = None,
    seeds: list[int] | None = None,
    device: str = "auto",
) -> tuple[Experiment, list[Run]]:
    """The experiment and the runs that a command or a notebook asks for by name."""
    experiment = Experiment(load_profile(profile), data, root, device)
    return experiment, experiment.runs(tasks, methods, seeds)
