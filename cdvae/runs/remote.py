"""What a worker of a cluster does: it shares nothing with the client but the package.

Data come by content: a file that lies in the worker's cache with the same bytes is not asked for
again. What a run leaves goes back as bytes. Answers are plain values, so that a client can read
them whatever the worker's versions are.
"""

import pickle
import threading
import traceback
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from cdvae.runs.store import Run
from cdvae.tools import plugins
from cdvae.tools.files import atomic, cache_root, is_whole, sha256
from cdvae.tools.provenance import code_digest, versions

PATIENCE = 600  # seconds that a worker waits for a file
TOPIC = "cdvae-steps"  # beginning of the name under which a client hears of steps

_alone = threading.Lock()  # two runs of one process would share torch's random state


class Missing(Exception):
    """A file that the client has offered is not to be had; its SHA-256."""


class Sender:
    """The Progress of a worker: passes its steps on, each with its number within the run."""

    def __init__(self, topic: str, key: str):
        self.topic, self.key, self.done = topic, key, 0

    def step(self, text: str, steps: int = 1) -> None:
        from distributed import get_worker

        self.done += steps
        get_worker().log_event(self.topic, {"key": self.key, "text": text, "done": self.done})


def likeness() -> dict[str, str]:
    """What must be the same on client and worker: versions of packages, and the code."""
    return versions() | {"code": code_digest()}


def difference(client: dict[str, str]) -> str:
    """How this worker is unlike the client, in words; empty where it is not."""
    mine = likeness()
    for name in sorted(client.keys() | mine.keys()):
        theirs, ours = client.get(name), mine.get(name)
        if theirs != ours and name == "code":
            return f"has other code of cdvae {mine['cdvae']}"
        if theirs != ours:
            return f"has {name} {ours}, not {theirs}"
    return ""


def account(client: dict[str, str], names: Iterable[str], dask_worker: Any) -> dict[str, Any]:
    """What a client asks before it sends work: is the worker like it, and what has it made?"""
    return {
        "difference": difference(client),
        "threads": dask_worker.state.nthreads,
        "has": [name for name in names if is_whole(cache_root() / name)],
    }


def made(
    client: dict[str, str],
    use: dict[str, str],
    store: bytes,
    run: str,
    key: str,
    files: dict[str, str],
    topic: str,
) -> dict[str, Any]:
    """Train and score a run: {"files": bytes by name in the cache}, or why not.

    use: files of the user's own code, their texts by name. store: the experiment, pickled; key: of
    the run's scores, as the client has it. files: the SHA-256 of what the run reads, by name.
    """
    from distributed import get_worker

    here = {"worker": get_worker().address}
    if said := difference(client):
        return here | {"unlike": said}
    with _alone:
        try:
            plugins.take(use, cache_root() / "use")
            experiment, one = pickle.loads(store), Run.named(run)
            if experiment.score_key(one) != key:
                return here | {"unlike": f"has other code of {run}, as installed packages give it"}
            for name, digest in files.items():
                bring(cache_root() / name, digest)
            experiment.scores(one, Sender(topic, key))
            names = [name for name in experiment.makes(one) if name not in files]
            return here | {"files": {name: (cache_root() / name).read_bytes() for name in names}}
        except Missing as error:
            return here | {"missing": str(error)}
        except Exception as error:  # whatever a run raises: the client counts and reports it
            traceback.print_exc()
            return here | {"failed": f"{type(error).__name__}: {error}"}


def bring(path: Path, digest: str) -> None:
    """Have a file of these bytes in the cache: the one that is there, or the client's."""
    from distributed import get_client

    if path.exists() and digest_of(path) == digest:
        return
    try:
        data = get_client().get_dataset(digest).result(timeout=PATIENCE)
    except Exception as error:  # lost with its worker, or with the scheduler
        raise Missing(digest) from error
    with atomic(path) as temporary:
        temporary.write_bytes(data)


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, hashed once while it does not change."""
    found = path.stat()
    return remembered_digest(path, found.st_size, found.st_mtime_ns)


@cache
def remembered_digest(path: Path, size: int, changed: int) -> str:
    return sha256(path)
