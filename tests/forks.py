"""Python commands that start at once: forks of a process that has made the imports.

To import torch, pandas, matplotlib and the like takes a process seconds, many times more than most
commands under test do. In a fork they are imported already; this package is imported anew, from
where its environment says. What is about starting itself uses `subprocess`.
"""

import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import types
from pathlib import Path

from cdvae.release.forked import LOADED, can_fork

CONTEXT = multiprocessing.get_context("forkserver" if can_fork() else "spawn")
CLUSTER = ["distributed.cli.dask_worker", "cdvae.runs.remote"]


def prepare() -> None:
    """Start the process that is forked, unless it runs: there is one, for all kinds of forks."""
    if can_fork():
        CONTEXT.set_forkserver_preload([*LOADED, *CLUSTER])
        from multiprocessing import forkserver

        forkserver.ensure_running()


def run(*arguments: str, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess:
    """`python arguments` (of the form -c code … or -m module …), with variables set in its
    environment besides this one's; what it said is text."""
    prepare()
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder, name) for name in ("out", "err")]
        given = (list(arguments), os.environ | variables, str(cwd or Path.cwd()), said)
        process = CONTEXT.Process(target=become, args=given)
        process.start()
        process.join()
        texts = [path.read_text() if path.exists() else "" for path in said]
    return subprocess.CompletedProcess(arguments, process.exitcode, *texts)


def become(arguments: list[str], environment: dict, folder: str, said: list[Path]) -> None:
    """Be that command, in this process."""
    for number, path in enumerate(said, start=1):
        os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for name in [name for name in sys.modules if name.partition(".")[0] == "cdvae"]:
        del sys.modules[name]
    places = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = ["", *filter(None, places)]
    kind, what, *rest = arguments
    try:
        if kind == "-m":
            sys.argv = [what, *rest]
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            sys.argv = [kind, *rest]
            main = sys.modules["__main__"] = types.ModuleType("__main__")
            exec(compile(what, "<string>", "exec"), main.__dict__)
    finally:
        atexit._run_exitfuncs()
