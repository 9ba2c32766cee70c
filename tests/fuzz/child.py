"""A process of its own that is fed inputs: its death, or its silence, is an outcome like others."""

import multiprocessing
import os
import shutil
import tempfile
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

LIMIT = 30.0  # seconds for one input
SURVIVED, REFUSED, FAILED = "survived", "refused", "failed"


def serve(connection: Connection, name: str, folder: str) -> None:
    """In the process: feed what comes to a target, and tell how it went."""
    os.environ["CDVAE_CACHE"] = os.environ["CDVAE_OUTPUT"] = os.path.join(folder, "cache")
    os.chdir(Path(folder, "empty"))
    from targets import TARGETS

    feed = TARGETS[name].made(Path(folder, "root"))
    connection.send(None)
    while True:
        connection.send(outcome(feed, connection.recv(), Path(folder)))


def outcome(feed, example: Any, folder: Path) -> tuple[str, str]:
    """What became of one input, and what was said."""
    from cdvae.tools.errors import InputError

    try:
        found = SURVIVED if feed(example) else REFUSED, ""
    except InputError as error:
        found = REFUSED, str(error)
    except BaseException:  # SystemExit and the like, too
        found = FAILED, traceback.format_exc()
    if sorted(os.listdir(folder)) not in (["cache", "empty", "root"], ["empty", "root"]):
        found = FAILED, f"files outside the root: {os.listdir(folder)}"
    if os.listdir(folder / "empty"):
        found = FAILED, f"files in the current folder: {os.listdir(folder / 'empty')}"
    if os.path.isdir(folder / "cache"):
        shutil.rmtree(folder / "cache", ignore_errors=True)
    return found


class Child:
    """The process of a target, started again when it has died or hangs."""

    def __init__(self, name: str) -> None:
        self.name, self.process = name, None

    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="cdvae-fuzz-")
        for name in ("root", "empty"):
            Path(self.folder.name, name).mkdir()
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        arguments = theirs, self.name, self.folder.name
        self.process = context.Process(target=serve, args=arguments, daemon=True)
        self.process.start()
        theirs.close()
        assert self.connection.poll(120) and self.connection.recv() is None

    def feed(self, example: Any) -> tuple[str, str]:
        """What becomes of an input."""
        if self.process is None:
            self.start()
        try:
            self.connection.send(example)
            if self.connection.poll(LIMIT):
                return self.connection.recv()
            why = f"no answer in {LIMIT:.0f} s"
        except (EOFError, ConnectionError):
            self.process.join(10)
            why = f"the interpreter died (exit code {self.process.exitcode})"
        self.end()
        return FAILED, why

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.folder.cleanup()
            self.process = None
