"""What processes of a tree take: this one, or a worktree of another commit."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cdvae.tools.errors import Failed

COMMAND = "import sys, cdvae.cli; sys.exit(cdvae.cli.main())"


def output_of(what: list[str], tree: Path, **variables: str) -> str:
    """What Python prints that runs this with a tree's package, in the tree, with these variables
    of the environment. Raises Failed with the end of what it says should it fail."""
    path = os.pathsep.join(filter(None, [str(tree), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path} | variables
    command = [sys.executable, "-P", "-W", "ignore", *what]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tree)
    if done.returncode:
        raise Failed(f"{' '.join(what)} at {tree} failed: {done.stderr.strip()[-300:]}")
    return done.stdout


def printed(what: list[str], tree: Path, **variables: str) -> dict[str, float]:
    """The numbers that a script of one thread prints."""
    return json.loads(output_of(what, tree, OMP_NUM_THREADS="1", **variables))


def reproduction(tree: Path, profile: str, *rest: str) -> float:
    """Seconds by the clock of `cdvae reproduce` by a tree, its cache and output new."""
    with tempfile.TemporaryDirectory() as folder:
        places = {"CDVAE_CACHE": f"{folder}/cache", "CDVAE_OUTPUT": f"{folder}/output"}
        command = ["-c", COMMAND, "reproduce", "--profile", profile, *rest]
        start = time.perf_counter()
        output_of(command, tree, **places)
        return time.perf_counter() - start
