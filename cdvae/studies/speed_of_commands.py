"""Seconds that a whole command takes from nothing, here and in a worktree of another commit."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cdvae.tools.errors import Failed

COMMAND = "import sys, cdvae.cli; sys.exit(cdvae.cli.main())"


def reproduction(tree: Path, profile: str, *rest: str) -> float:
    """Seconds by the clock of `cdvae reproduce` by a tree, its cache and output new."""
    with tempfile.TemporaryDirectory() as folder:
        places = {"CDVAE_CACHE": f"{folder}/cache", "CDVAE_OUTPUT": f"{folder}/output"}
        path = os.pathsep.join(filter(None, [str(tree), os.environ.get("PYTHONPATH")]))
        environment = os.environ | places | {"PYTHONPATH": path}
        command = [sys.executable, "-P", "-W", "ignore", "-c", COMMAND]
        command += ["reproduce", "--profile", profile, *rest]
        start = time.perf_counter()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tree)
        if done.returncode:
            raise Failed(f"{profile} at {tree} failed: {done.stderr.strip()[-300:]}")
        return time.perf_counter() - start
