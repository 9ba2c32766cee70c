"""Fit, sample, score: the runs of a profile on a data set."""

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from cdvae.data import sources
from cdvae.data.fields import Fields, load_with_flips, task_named, with_flips
from cdvae.data.halves import scored_half
from cdvae.data.sources import Plan, Source
from cdvae.data.splits import SPLITS
from cdvae.methods import method, rows
from cdvae.methods.registry import Method
from cdvae.metrics import COUNTS, score_samples
from cdvae.model import Model
from cdvae.runs import embedding, scoring
from cdvae.runs.measures import own_metrics
from cdvae.runs.parameters import checked
from cdvae.runs.scoring import Draw
from cdvae.runs.settings import Profile, load_profile
from cdvae.runs.store import Fitted, Run, Store
from cdvae.tools.device import pick_device
from cdvae.tools.files import InputError, atomic, key_of, path_of
from cdvae.tools.meaning import meaning
from cdvae.tools.progress import Progress
from cdvae.tools.provenance import circumstances, peak_memory_mb
from cdvae.training import Examples, mean_loss


class Experiment(Store):
    """Every run of one profile on one source; holds the data of one task at a time."""

    def __init__(
        self, profile: Profile, data: str = "scenes", root: str | None = None, device: str = "auto"
    ):
        self.profile, self.device = profile, pick_device(device)
        sizes = (profile.n_train, profile.n_valid, profile.n_test)
        folder = path_of(root) if root else None
        self.source = Source(data, folder, *sizes, profile.data_seed)
        self._settings: dict[tuple[str, str], Profile] = {}
        self._plans: dict[str, Plan] = {}
        self._loaded: tuple[str, dict[str, Fields]] | None = None

    def settings(self, task: str, name: str = "") -> Profile:
        """The profile's settings for a task, as a method has them if it is named."""
        if (task, name) not in self._settings:
            self._settings[task, name] = self.profile.of(task, name)
        return self._settings[task, name]

    def row(self, run: Run) -> tuple[Method, Profile]:
        """What a run's method is, and the settings as it has them."""
        return method(run.method), self.settings(run.task, run.method)

    def n_code(self, run: Run) -> int:
        """The size of the code that the embedding guides; 0 where it guides none."""
        entry, settings = self.row(run)
        return entry.guided_code(settings)

    def runs(
        self,
        tasks: list[str] | None = None,
        methods: list[str] | None = None,
        seeds: list[int] | None = None,
    ) -> list[Run]:
        """The runs asked for, by default all that the source and the profile have.

        Where the true conditional is known it is scored as one more method.
        """
        tasks = list(tasks or self.source.tasks())
        for task in tasks:
            self.source.check(task_named(task))
        chosen = list(methods or self.profile.methods)
        for name in chosen:
            method(name)
        if methods is None and self.entry.truth:
            chosen += [name for name, each in rows().items() if each.kind == "truth"]
        seeds = list(seeds or self.profile.seeds)
        every = [Run(t, m, s) for t in tasks for m in chosen for s in seeds]
        found = [run for run in every if method(run.method).serves(run.task)]
        if not found:
            has = ", ".join(dict.fromkeys(task for name in chosen for task in method(name).tasks))
            raise InputError(f"{', '.join(chosen)}: predicts {has} only: give --tasks {has}")
        if not self.entry.truth and any(method(run.method).kind == "truth" for run in found):
            raise InputError(f"--data {self.source.name} does not know the truth: leave it out")
        return found

    @property
    def entry(self) -> sources.DataSet:
        """What the data set is."""
        return sources.data_set(self.source.name)

    def plan(self, task: str) -> Plan:
        if task not in self._plans:
            self._plans[task] = sources.plan(self.source, task_named(task))
        return self._plans[task]

    def fields(self, task: str) -> dict[str, Fields]:
        """The splits of a task; of many training examples without labels and layout."""
        if self._loaded is None or self._loaded[0] != task:
            self.forget()  # before the next task comes
            few = not embedding.is_large(self.settings(task))
            self._loaded = (task, self.labelled(task, few))
        return self._loaded[1]

    def labelled(self, task: str, semantics: bool = True) -> dict[str, Fields]:
        """The splits of a task read anew, of the training split the first `n_used` examples; with
        labels and layout unless told otherwise."""
        found = sources.load(self.plan(task), semantics, self.settings(task).n_used)
        return scored_half(found, self.profile.half)

    def forget(self) -> None:
        """Let go of the data of the present task."""
        self._loaded = None

    def is_learned(self, run: Run) -> bool:
        return method(run.method).is_learned

    def checks(self, run: Run) -> int:
        return self.settings(run.task, run.method).training.checks

    def model_key(self, run: Run) -> str:
        """The key of data, settings and code: of the method, its training, its examples."""
        entry, profile = self.row(run)
        parts: list[Any] = [entry.build or entry.fit or entry.kind]
        parts += [scoring.trained] if entry.is_learned else []
        parts += [with_flips] if profile.flips and entry.kind != "truth" else []
        if entry.guided_code(profile):
            parts.append(embedding.embedder(self.settings(run.task)))
        return key_of(
            *(self.plan(run.task).key, asdict(run), entry.settings(profile)),
            *(meaning(*parts), self.device.type),
        )

    def score_key(self, run: Run) -> str:
        """The key of the model, and of the scores' settings and code."""
        entry, profile = self.row(run)
        parts: list[Any] = [entry.build or entry.fit, scoring.drawing, scoring.sample_rows]
        parts += [score_samples, own_metrics()]
        if self.entry.truth:
            parts += [self.entry.truth, scoring.mode_rows, scoring.drawing_truth]
        parts += [mean_loss] if entry.is_joint else []
        parts += [scoring.likelihood_rows] if entry.has_likelihood else []
        settings = asdict(profile.likelihood) if entry.has_likelihood else {}
        settings |= {"n_test": entry.n_scored(profile, self.profile.n_test)}
        settings |= {"half": profile.half} if profile.half else {}
        return key_of(self.model_key(run), COUNTS, settings, meaning([p for p in parts if p]))

    def score_files(self, run: Run) -> list[Path]:
        """The scores of each example and the means."""
        path = self.score_file(run)
        return [path.with_suffix(".safetensors"), path]

    def shown_in_training(self, task: str, semantics: bool = True) -> Fields:
        """The training split, with mirror images if `flips`.

        semantics: whether labels and layout, which can be larger than the layers, come along.
        """
        train, settings = self.fields(task)["train"], self.settings(task)
        if settings.flips and embedding.is_large(settings):
            return load_with_flips(self.plan(task).file("train"), settings.n_used)
        if not semantics:
            train = replace(train, semantics=train.semantics[:, :0], n_labels=0)
        return with_flips(train) if settings.flips else train

    def examples(self, task: str, split: str, n_code: int = 0) -> Examples:
        """A split on the device, with embedding targets for a code of that size (train only)."""
        is_train = split == "train"
        fields = self.shown_in_training(task, False) if is_train else self.fields(task)[split]
        p = torch.zeros(2, len(fields), max(n_code, 1))
        if n_code and is_train:
            p = self.targets(task, n_code)
        p_c, p_g = p.expand(2, len(fields), -1)
        return Examples(*(x.to(self.device) for x in (fields.x_c, fields.x_g, p_c, p_g)))

    def targets_file(self, task: str, n_code: int) -> Path:
        """Where embedding targets lie, or will."""
        return embedding.targets_file(self.plan(task), self.settings(task), n_code)

    def targets(self, task: str, n_code: int) -> Tensor:
        """Embedding targets p_c and p_g of the training split: (2, N, n_code)."""
        given = (self.plan(task), self.settings(task), n_code)
        return embedding.targets(*given, lambda: self.shown_in_training(task))

    def prepare(self, runs: list[Run]) -> None:
        """Make the fields and embedding targets of these runs."""
        for task in dict.fromkeys(run.task for run in runs):
            self.fields(task)
            for n_code in {self.n_code(run) for run in runs if run.task == task} - {0}:
                self.targets(task, n_code)

    def data_files(self, run: Run) -> list[Path]:
        """The splits of its task, and its embedding targets."""
        found = [self.plan(run.task).file(split) for split in SPLITS]
        n_code = self.n_code(run)
        return found + ([self.targets_file(run.task, n_code)] if n_code else [])

    def untrained(self, run: Run) -> Model:
        """A model as training begins; initial weights come from torch's global random state."""
        entry, settings = self.row(run)
        return entry.build(task_named(run.task), settings)

    def fitted(self, run: Run, on_check: Callable[[dict], None]) -> Fitted:
        entry, settings = self.row(run)
        parts = [self.examples(run.task, split, self.n_code(run)) for split in ("train", "valid")]
        task = task_named(run.task)
        made = scoring.trained(entry, task, settings, *parts, run.seed, on_check)
        return Fitted(*made, entry.settings(settings), {})

    def sampler(self, run: Run, split: str, progress: Progress | None = None) -> tuple[Draw, dict]:
        """A function that draws samples for a split, and what is to be known of the method."""
        fields = self.fields(run.task)[split]
        if method(run.method).kind == "truth":
            return scoring.drawing_truth(fields, self.device, run.seed), {}
        model, about = self.ready(run, progress)
        return scoring.drawing(model, fields.x_c.to(self.device), run.seed), about

    def ready(self, run: Run, progress: Progress | None = None) -> tuple[Any, dict]:
        """What samples and reproduces for a run, learned or not, and what is to be known of it."""
        if self.is_learned(run):
            return self.model(run, progress), self.about_model(run)
        return self.unlearned(run, method(run.method))

    def unlearned(self, run: Run, entry: Method) -> tuple[Any, dict]:
        """A method without weights, fitted to its examples, and what is to be known of it."""
        train, valid = (self.examples(run.task, split) for split in ("train", "valid"))
        if len(train) < max(COUNTS):
            raise InputError(
                f"{run.task}: {len(train)} training examples are too few for {max(COUNTS)} "
                f"neighbours: give more, or leave out {run.method} with --methods"
            )
        return entry.fit(train, valid, self.settings(run.task, run.method), max(COUNTS))

    def score(self, run: Run, progress: Progress) -> dict[str, Any]:
        """Score a run; also keeps the scores of each test example beside the others."""
        entry, settings = self.row(run)
        draw, about = self.sampler(run, "test", progress)
        fields, test = self.fields(run.task)["test"], self.examples(run.task, "test")
        start = time.perf_counter()
        x_g, own = test.x_g[: entry.n_scored(settings, len(test))], own_metrics()
        each = score_samples(draw, x_g, own=own)
        seconds = time.perf_counter() - start
        rows = scoring.sample_rows(each, task_named(run.task), own)
        if fields.truth is not None:
            rows += scoring.mode_rows(draw, fields, run.seed)
        if entry.is_joint:
            rows.append(("nll_joint", 1, self.joint_bound(run), "nats"))
        if entry.has_likelihood:
            given = (self.model(run), test.x_c, test.x_g, self.profile.likelihood, run.seed)
            rows += scoring.likelihood_rows(*given)
        with atomic(self.score_file(run).with_suffix(".safetensors")) as temporary:
            save_file({name: value.contiguous() for name, value in each.items()}, temporary)
        about |= {"score_seconds": seconds, "score_peak_memory_mb": peak_memory_mb(self.device)}
        about |= {"score_circumstances": circumstances(self.device), "key": self.score_key(run)}
        sizes = {"train": len(self.fields(run.task)["train"]), "test": len(each["variance"])}
        return {"rows": rows, "provenance": about, "sizes": sizes}

    def each_score(self, run: Run) -> dict[str, Tensor]:
        """The scores of each test example of a finished run (`metrics.score_samples`)."""
        with safe_open(self.score_file(run).with_suffix(".safetensors"), framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}

    def joint_bound(self, run: Run) -> float:
        """The bound on −log p(x_c, x_g) that the model reports (Eq. 2), nats per test example."""
        test = self.examples(run.task, "test", self.n_code(run))
        size = self.row(run)[1].training.batch_size
        return mean_loss(self.model(run), test, size, run.seed)["loss"]


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
    given = {"profile": profile, "data": data, "root": root, "device": device}
    p = checked(given | {"tasks": tasks, "methods": methods, "seeds": seeds})
    experiment = Experiment(load_profile(p["profile"]), p["data"], p["root"], p["device"])
    return experiment, experiment.runs(p["tasks"], p["methods"], p["seeds"])
