"""What a killed run leaves in the system's folder for temporary files, a later one sweeps."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cdvae.release.forked import can_fork
from cdvae.tools import files

RUN = """
import multiprocessing.util, os, signal, sys
from cdvae.explore.panel import Panel
from cdvae.release.forked import forked_kernels

uploads = Panel().uploads
with forked_kernels():
    multiprocessing.util.get_temp_dir()
    if "killed" in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not can_fork(), reason="kernels are no forks here")
def test_folders_of_a_run_that_was_killed_are_swept(monkeypatch):
    with tempfile.TemporaryDirectory(prefix="t") as folder:  # sockets want short names

        def run(*how: str) -> int:
            environ = os.environ | {"TMPDIR": folder}
            return subprocess.run([sys.executable, "-c", RUN, *how], env=environ).returncode

        assert run() == 0 and os.listdir(folder) == []
        assert run("killed") == -signal.SIGKILL and len(os.listdir(folder)) == 2
        files.sweep.__wrapped__(Path(folder))
        assert os.listdir(folder) == []
