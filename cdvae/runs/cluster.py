"""Runs on a cluster: the workers of a Dask scheduler, which need not share a file system.

Every run is a job of `client.get_executor()`. Its data are scattered under their SHA-256 and
fetched by the workers that lack them; what it made is landed in this machine's cache, so that the
tables, figures and notebooks are made here as ever. A scheduler that goes away is waited for, and
what was not landed is submitted again.
"""

import logging
import pickle
import signal
import sys
import time
import uuid
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cdvae.runs import remote
from cdvae.runs.store import Run, Store
from cdvae.tools import plugins
from cdvae.tools.errors import Failed, InputError
from cdvae.tools.files import atomic, cache_root

TRIES = 3  # of a run before it is given up
CONNECTING = 10  # seconds in which a scheduler must answer
PATIENCE = 600  # seconds that one is waited for that was there before
COPIES = 2  # workers that hold what is scattered
LOCAL = ("127.0.0.1", "localhost", "::1")
QUIET = {  # a worker's own watching of itself takes four per cent of a core, thirty times a second
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.nanny.pre-spawn-environ.MALLOC_ARENA_MAX": 1,  # runs are not in the main thread
}
MISSING = "{} needs dask.distributed: pip install 'cdvae[cluster]'"

Pair = tuple[Store, Run]


class Cluster:
    """The workers of a scheduler, or so many of this machine; at the context's end what is not
    done is cancelled."""

    def __init__(self, address: str | None = None, n_workers: int = 0):
        self.address, self.n_workers = address, n_workers
        self.local = self.client = self.executor = None
        self.topic = f"{remote.TOPIC}-{uuid.uuid4().hex}"
        self.heard: deque[dict] = deque()
        self.jobs: set[Future] = set()  # of the present connection
        self.offered: dict[str, Any] = {}  # the same, by SHA-256
        self.holders: dict[str, str] = {}  # who has made some of a run, by the key of its scores
        self.seen: Counter[str] = Counter()  # steps of each run that were shown
        self.owed: dict[str, int] = {}  # steps of each run that are to be shown in all
        self.tries: Counter[str] = Counter()
        self.shunned: dict[str, set[str]] = {}  # workers on which a run has failed
        self.failed: list[str] = []
        self.dismissed: set[str] = set()

    def __enter__(self) -> "Cluster":
        try:
            import dask
            import distributed
        except ImportError:
            option = "--workers" if self.n_workers else "--scheduler"
            raise InputError(MISSING.format(option)) from None
        for name in ("distributed", "distributed.client"):  # we say what is to be said
            logging.getLogger(name).setLevel(logging.CRITICAL)
        if self.n_workers:
            handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the client's …
            try:
                with dask.config.set(QUIET):
                    self.local = distributed.LocalCluster(
                        n_workers=self.n_workers,
                        threads_per_worker=1,
                        host="127.0.0.1",
                        dashboard_address=None,
                        memory_limit=0,
                        silence_logs=logging.CRITICAL,
                    )
            finally:
                signal.signal(signal.SIGINT, handler)  # … and what workers have inherited stays
            self.address = self.local.scheduler_address
        else:  # told before data are made, which may take long
            self.reach()
            self.drop()
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        with suppress(Exception):  # whatever is gone by now
            if self.is_up():
                self.executor.shutdown(wait=False)
                for digest in self.offered:
                    self.client.unpublish_dataset(digest)
        self.drop()
        if self.local:
            self.local.close()

    def submit(self, pairs: list[Pair]) -> dict[Future, Pair]:
        """Send runs to the workers; a scheduler that goes away meanwhile is waited for."""
        while True:
            if not self.is_up():  # gone since the last runs
                self.drop()
            try:
                if self.client is None:
                    self.connect(dict(makes_of(pairs)))
                return self.sent(pairs)
            except (InputError, Failed):
                raise
            except Exception as error:
                if self.is_up() and not is_lost(error):
                    raise
                self.drop()

    def is_up(self) -> bool:
        return self.client is not None and self.client.status == "running"

    def sent(self, pairs: list[Pair]) -> dict[Future, Pair]:
        keys = [store.score_key(run) for store, run in pairs]
        alike, use, jobs = remote.likeness(), plugins.texts(), {}
        workers = set(self.client.scheduler_info(n_workers=-1)["workers"])
        for (store, run), key in zip(pairs, keys, strict=True):
            self.owed.setdefault(key, store.steps(run))
            files = {name: self.offer(path) for name, path in store.made_of(run).items()}
            parcel = (alike, use, pickle.dumps(store), str(run), key, files, self.topic)
            name, where = f"{run}-{uuid.uuid4().hex[:8]}", self.preferred(key, workers)
            jobs[self.executor.submit(remote.made, *parcel, key=name, **where)] = (store, run)
        self.jobs |= jobs.keys()
        return jobs

    def width(self) -> int:
        """How many runs it makes at once."""
        if self.client is None:
            self.connect({})
        return max(1, len(self.client.scheduler_info(n_workers=-1)["workers"]))

    def preferred(self, key: str, workers: set[str]) -> dict[str, Any]:
        """Where a run goes if it can: to who has made some of it, not to who has failed it."""
        shunned, holder = self.shunned.get(key, set()), self.holders.get(key)
        wanted = {holder} & workers - shunned or (workers - shunned if shunned else set())
        return {"workers": sorted(wanted), "allow_other_workers": True} if wanted else {}

    def offer(self, path: Path) -> str:
        """Scatter a file under its SHA-256, which is given back, if it is not there already."""
        digest = remote.digest_of(path)
        held = self.offered.get(digest)
        if held is None or held.status in ("lost", "cancelled", "error"):
            held = self.client.scatter({digest: path.read_bytes()}, broadcast=COPIES)[digest]
            self.client.publish_dataset(held, name=digest, override=True)
            self.offered[digest] = held
        return digest

    def steps(self) -> Iterator[tuple[str, int]]:
        while self.heard:
            said = self.heard.popleft()
            done = min(said["done"], self.owed.get(said["key"], 0))
            new = max(0, done - self.seen[said["key"]])  # a run that is made again adds none
            self.seen[said["key"]] += new
            if new or "is_last" not in said:
                yield said["text"], new

    def take(self, pair: Pair, job: Future) -> bool:
        store, run = pair
        try:
            answer = job.result()
        except CancelledError:
            if job in self.jobs:  # of this connection, so that is lost
                self.drop()
            return False
        except Exception as error:  # of Dask: several workers died of this run, or the like
            answer = {"failed": f"{type(error).__name__}: {error}", "worker": "", "dead": True}
        if "files" in answer:
            return self.land(store, run, answer["files"])
        if "unlike" in answer:
            return self.dismiss(answer["worker"], answer["unlike"])
        if "missing" in answer:
            self.offered.pop(answer["missing"], None)
            return False
        return self.note(store.score_key(run), run, answer)

    def land(self, store: Store, run: Run, files: dict[str, bytes]) -> bool:
        """Put what a run made into this machine's cache, whole files, the scores last."""
        for name in store.makes(run):
            path = cache_root() / name
            if name in files and not path.exists():
                with atomic(path) as temporary:
                    temporary.write_bytes(files[name])
        key = store.score_key(run)  # what a worker had made before, it has not told of
        told = {"key": key, "text": f"{run} was made before", "done": self.owed[key]}
        self.heard.append(told | {"is_last": True})
        return True

    def dismiss(self, worker: str, why: str) -> bool:
        """Send a worker away that is not like this machine, and say so once."""
        if worker not in self.dismissed:
            print(f"cdvae: {worker} is sent away: it {why}", file=sys.stderr)
        self.dismissed.add(worker)
        with suppress(Exception):
            self.client.retire_workers([worker], close_workers=True, remove=True)
        return False

    def note(self, key: str, run: Run, answer: dict) -> bool:
        """Count a failure; a run that has failed often enough is reported at the end."""
        self.tries[key] += 1
        self.shunned.setdefault(key, set()).add(answer["worker"])
        if self.tries[key] < TRIES and not answer.get("dead"):
            return False
        self.failed.append(f"{run}: {answer['failed']}")
        return True

    def report(self) -> None:
        """Raise Failed if a run was given up."""
        if failed := self.failed:
            runs = "one run" if len(failed) == 1 else f"{len(failed)} runs"
            raise Failed(f"{runs} failed {TRIES} times, the others are done: {'; '.join(failed)}")

    def reach(self) -> None:
        """Find the scheduler; one that was there before is waited for."""
        from distributed import Client

        deadline, is_first = time.monotonic() + PATIENCE, self.executor is None
        while self.client is None:
            try:
                self.client = Client(self.address, timeout=CONNECTING, set_as_default=False)
            except Exception as error:
                if is_first:
                    raise InputError(unreachable(self.address, error)) from None
                if time.monotonic() > deadline:
                    raise Failed(f"the scheduler at {self.address} does not come back") from None
                time.sleep(1)

    def connect(self, makes: dict[str, str]) -> None:
        """Reach the scheduler and see to its workers; makes: what runs leave, and of which run."""
        is_first = self.executor is None
        self.reach()
        self.executor = self.client.get_executor()
        self.client.subscribe_topic(self.topic, lambda event: self.heard.append(event[1]))
        if is_first and not self.local and urlsplit(self.address).hostname not in LOCAL:
            if not self.address.startswith("tls:"):
                note(f"whoever reaches {self.address} can run code there: use TLS (CLUSTER.md)")
        if not self.client.scheduler_info(n_workers=-1)["workers"]:
            note(f"no worker has come to {self.address} yet: waiting")
            self.client.wait_for_workers(1)
        self.look_at_workers(makes)

    def look_at_workers(self, makes: dict[str, str]) -> None:
        """Refuse workers that are not like this machine; remember what each has made."""
        asked = (remote.likeness(), list(makes))
        for worker, found in self.client.run(remote.account, *asked, on_error="return").items():
            if isinstance(found, Exception):
                raise InputError(f"worker {worker} cannot run cdvae ({found}): install it there")
            if why := found["difference"]:
                raise InputError(f"worker {worker} {why}: install the same there, start it anew")
            if found["threads"] != 1:
                raise InputError(
                    f"worker {worker} has {found['threads']} threads: start it with --nthreads 1"
                )
            self.holders |= {makes[name]: worker for name in found["has"]}

    def drop(self) -> None:
        """Let go of a connection, and of all that was under way on it."""
        if self.client is not None:
            with suppress(Exception):
                self.client.close(timeout=2)
        self.client = None
        self.jobs.clear()
        self.offered.clear()


def makes_of(pairs: list[Pair]) -> Iterator[tuple[str, str]]:
    """The names of what these runs leave, each with the key of the run's scores."""
    for store, run in pairs:
        for name in store.makes(run):
            yield name, store.score_key(run)


def is_lost(error: Exception) -> bool:
    """Whether an error is that of a connection which has broken."""
    from distributed.comm import CommClosedError

    return isinstance(error, CommClosedError)


def unreachable(address: str, error: Exception) -> str:
    """One sentence on a scheduler that does not answer."""
    why = str(error).splitlines()[0] if str(error) else type(error).__name__
    return f"no scheduler at {address} ({why}): start one, or give --scheduler its address"


def note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)
