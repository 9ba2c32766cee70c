"""Runs on a cluster: real schedulers and workers over 127.0.0.1, each with a cache of its own."""

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

import forks
import pytest
from distributed import Client
from safetensors.torch import load_file

from cdvae import cli
from cdvae.runs import remote
from cdvae.runs.cluster import Cluster
from cdvae.runs.experiment import Experiment
from cdvae.runs.parallel import score_all, score_pairs
from cdvae.runs.settings import load_profile
from cdvae.runs.store import Run, weights_sha256
from cdvae.studies.trial import Trial
from cdvae.tools import plugins, registry
from cdvae.tools.errors import Failed, InputError
from cdvae.tools.files import CACHE
from cdvae.tools.progress import Progress

SMALL = {"n_train": 120, "n_valid": 16, "n_test": 12}
PROFILE = load_profile("smoke", **SMALL, training={"steps": 30, "checks": 5})
TASK = "resaturation"


def dask(kind: str, arguments: list[str], log: Path, variables: dict[str, str]) -> None:
    """`dask scheduler` or `dask worker`, in this process."""
    from distributed.cli import dask_scheduler, dask_worker

    os.environ.update(variables)
    os.chdir(log.parent)
    with open(log, "a") as file:
        os.dup2(file.fileno(), 1), os.dup2(file.fileno(), 2)
    {"scheduler": dask_scheduler, "worker": dask_worker}[kind].main(arguments)


class Processes:
    """A scheduler and workers, each a process of its own with a cache of its own."""

    def __init__(self, folder: Path):
        self.folder, self.workers = folder, {}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.scheduler = self.start_scheduler()

    def start(self, kind: str, name: str, *arguments: object, **variables: str):
        given = [*map(str, arguments), "--no-dashboard"]
        log = self.folder / f"{name}.log"
        forks.prepare()  # what it is a fork of, and starts at once
        process = forks.CONTEXT.Process(target=dask, args=(kind, given, log, variables))
        process.start()
        return process

    def start_scheduler(self):
        place = ("--host", "127.0.0.1", "--port", self.port)
        return self.start("scheduler", "scheduler", *place)

    def cache(self, name: str) -> Path:
        return self.folder / name / "cache"

    def start_worker(self, name: str, threads: int = 1, **variables: str) -> None:
        given = ("--no-nanny", "--nthreads", threads, "--name", name)
        places = {CACHE: str(self.cache(name))} | variables
        self.workers[name] = self.start("worker", name, self.address, *given, **places)

    def restart(self, client: Client | None = None) -> None:
        """End the scheduler and workers at once, start others: after this client has given up."""
        living = [name for name, process in self.workers.items() if process.is_alive()]
        for process in (self.scheduler, *(self.workers[name] for name in living)):
            process.kill()
            process.join()
        while client and client.status != "closed":
            time.sleep(0.1)
        self.scheduler = self.start_scheduler()
        for name in living:
            self.start_worker(name)

    def close(self) -> None:
        for process in (self.scheduler, *self.workers.values()):
            process.kill()
            process.join()


@pytest.fixture
def processes(tmp_path):
    found = Processes(tmp_path)
    yield found
    found.close()


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """This process has a cache of its own, too."""
    monkeypatch.setenv(CACHE, str(tmp_path / "client" / "cache"))


class Troubled(Progress):
    """Progress in whose course a worker is killed, one is added, the scheduler is restarted."""

    def __init__(self, total: int, cluster: Cluster, processes: Processes, files: list[Path]):
        super().__init__(total, quiet=True)
        self.cluster, self.processes, self.files = cluster, processes, files
        self.killed, self.finished = None, None
        self.pids = {}

    def step(self, text: str, steps: int = 1) -> None:
        super().step(text, steps)
        if not self.killed and " step " in text:
            self.kill_who_makes(text.partition(" ")[0])
        done = [path for path in self.files if path.exists()]
        if self.finished is None and self.killed and len(done) >= 2:
            self.finished = done
            self.processes.restart()

    def kill_who_makes(self, run: str) -> None:
        pids = self.cluster.client.run(os.getpid)
        for worker, keys in self.cluster.client.processing().items():
            if any(key.startswith(f"{run}-") for key in keys):
                self.killed = run
                os.kill(pids[worker], signal.SIGKILL)
                self.processes.start_worker("late")
                return


def test_a_troubled_cluster_gives_what_one_process_gives(processes, alone, tmp_path, monkeypatch):
    for name in ("one", "two", "three"):
        processes.start_worker(name)
    experiment = Experiment(PROFILE)
    runs = experiment.runs([TASK], ["gauss", "mdn4", "shallow", "marginal"])
    submitted = []
    with Cluster(processes.address) as cluster:
        submit = cluster.submit

        def noted(pairs):
            submitted.extend((run, experiment.is_scored(run)) for _, run in pairs)
            return submit(pairs)

        monkeypatch.setattr(cluster, "submit", noted)
        files = [experiment.score_file(run) for run in runs]
        total = sum(map(experiment.steps, runs))
        progress = Troubled(total, cluster, processes, files)
        score_all(experiment, runs, progress, cluster)
        assert progress.killed and progress.finished
        assert progress.done == total  # whatever was made twice
    assert all(map(experiment.is_scored, runs))
    assert not any(was_done for _, was_done in submitted)
    assert len(submitted) > len(runs)  # some were under way as the scheduler went
    for path in progress.finished:  # and what had come home was made once
        caches = [processes.cache(name) for name in processes.workers]
        assert sum((cache / "scores" / path.name).exists() for cache in caches) == 1
    made = {run: results(experiment, run) for run in runs}
    monkeypatch.setenv(CACHE, str(tmp_path / "single" / "cache"))
    for run in runs:
        experiment.scores(run)
        assert made[run] == results(experiment, run)


def test_a_scheduler_may_go_while_idle_and_while_data_are_sent(processes, alone, monkeypatch):
    processes.start_worker("one")
    experiment = Experiment(PROFILE)
    runs = [Run(TASK, name, 0) for name in ("marginal", "mean_noise", "nn")]
    with Cluster(processes.address) as cluster:
        score_all(experiment, runs[:1], Progress(0, quiet=True), cluster)
        processes.restart(cluster.client)
        score_all(experiment, runs[1:2], Progress(0, quiet=True), cluster)
        offer = cluster.offer

        def lost(path: Path) -> str:
            monkeypatch.setattr(cluster, "offer", offer)
            processes.restart(cluster.client)
            return offer(path)

        monkeypatch.setattr(cluster, "offer", lost)
        score_all(experiment, runs[2:], Progress(0, quiet=True), cluster)
    assert all(map(experiment.is_scored, runs))


def results(experiment: Experiment, run: Run) -> tuple:
    """All that a run leaves, but for times and places."""
    weights = weights_sha256(experiment.checkpoint(run)) if experiment.is_learned(run) else ""
    each = load_file(experiment.score_file(run).with_suffix(".safetensors"))
    scored = json.loads(experiment.score_file(run).read_text())
    bits = {name: value.numpy().tobytes() for name, value in each.items()}
    return weights, bits, scored["rows"], scored["sizes"]


OWN = '''
import os
import torch
import cdvae

class Flat(cdvae.Model):
    """The mean field of training, and noise."""

    def __init__(self, task):
        super().__init__()
        self.standard_c = cdvae.Standard(task.channels_c)
        self.standard_g = cdvae.Standard(task.channels_g)
        self.mean = torch.nn.Parameter(torch.zeros(task.channels_g, 32, 32))

    def loss(self, batch):
        return {"loss": (batch.x_g - self.mean).square().flatten(1).sum(1).mean()}

    @torch.no_grad()
    def sample(self, x_c, n, generator=None):
        noise = torch.randn((len(x_c), n, *self.mean.shape), generator=generator)
        return self.mean + 0.1 * noise

def flat(task, profile):
    return Flat(task)

def broken(task, profile):
    with open(os.path.join(os.environ["CDVAE_CACHE"], "tries"), "a") as file:
        file.write("x")
    raise RuntimeError("this one cannot be built")

cdvae.register(cdvae.Method("flat", "Flat", model=Flat, build=flat))
cdvae.register(cdvae.Method("broken", "Broken", model=Flat, build=broken))
'''


@pytest.fixture
def own_file(tmp_path, monkeypatch) -> Path:
    """A file of methods of one's own, loaded here until the test ends."""
    monkeypatch.setattr(registry, "_ENTRIES", {k: dict(v) for k, v in registry._ENTRIES.items()})
    monkeypatch.setattr(plugins, "_loaded", set(plugins._loaded))
    monkeypatch.setenv(plugins.VARIABLE, "")
    path = tmp_path / "flat_variant.py"
    path.write_text(OWN)
    plugins.use(path)
    yield path
    del sys.modules[path.stem]


def test_methods_and_trials_travel_and_failures_are_told_at_the_end(
    processes, alone, own_file, tmp_path, monkeypatch
):
    processes.start_worker("one")
    experiment = Experiment(PROFILE)
    trial = Trial("scenes", None, SMALL)
    flat, broken, other = (Run(TASK, name, 0) for name in ("flat", "broken", "marginal"))
    pairs = [(experiment, broken), (experiment, flat), (trial, other)]
    with Cluster(processes.address) as cluster:
        with pytest.raises(Failed, match=f"one run failed.*{broken}: RuntimeError: this one"):
            score_pairs(pairs, Progress(0, quiet=True), cluster)
        cluster.failed.clear()
        again = Progress(0, quiet=True)
        monkeypatch.setattr(remote, "likeness", lambda: {"torch": "0.1", "code": "other"})
        cluster.drop()
        with pytest.raises(InputError, match="worker tcp://127.0.0.1:.* has .* not None"):
            score_pairs([(experiment, Run(TASK, "mean_noise", 0))], again, cluster)
    assert (processes.cache("one") / "tries").read_text() == "xxx"
    made = results(experiment, flat), trial.scores(other)
    monkeypatch.setenv(CACHE, str(tmp_path / "single" / "cache"))
    experiment.scores(flat)
    assert made == (results(experiment, flat), trial.scores(other))


def test_differences_are_told_in_words():
    mine = remote.likeness()
    assert remote.difference(mine) == ""
    assert remote.difference(mine | {"torch": "1.0"}) == f"has torch {mine['torch']}, not 1.0"
    assert remote.difference(mine | {"code": "0"}).startswith("has other code of cdvae")


def test_no_scheduler_gives_one_sentence(monkeypatch):
    monkeypatch.setattr("cdvae.runs.cluster.CONNECTING", 1)
    with pytest.raises(InputError, match=r"no scheduler at tcp://127.0.0.1:1 \(.*\): start"):
        Cluster("tcp://127.0.0.1:1").__enter__()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--scheduler", "tcp://127.0.0.1:1"], "--scheduler needs dask.distributed: pip install"),
        (["--workers", "2"], "--workers needs dask.distributed: pip install 'cdvae[cluster]'"),
        (["--workers", "0"], "--workers 0: give 1 or more"),
        (["--workers", "2", "--scheduler", "tcp://a:1"], "exclude each other"),
    ],
)
def test_without_dask_it_is_said_what_to_install(options, said, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert cli.main(["reproduce", "--profile", "smoke", *options]) == 2
    assert said in capsys.readouterr().err
