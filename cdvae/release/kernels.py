"""How the kernels of notebooks are reached: by files of a private folder, where sockets can be."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cdvae.tools.files import marked

LONGEST = 100  # bytes of a socket's path that every system takes (macOS 103, Linux 107)
SOCKETS = "/kernel-ipc-99"  # what Jupyter adds to the folder, at most


@contextmanager
def connection() -> Iterator:
    """The configuration (traitlets) of one kernel's connection.

    Jupyter looks for free TCP ports and lets go of them before the kernel takes them: of several
    kernels that start at once one may find its port taken, and die. Sockets that are files have no
    such gap, and nobody else can reach them. Where there are none (Windows, a folder for temporary
    files with a very long name) it is TCP. A killed run's folder is swept by a later one.
    """
    from traitlets.config import Config

    folder = tempfile.mkdtemp(prefix=marked("kernel"))
    short = len(os.fsencode(folder + SOCKETS)) <= LONGEST
    transport = "ipc" if os.name != "nt" and short else "tcp"
    ports = str(Path(folder, "kernel.json"))
    try:
        yield Config({"KernelManager": {"connection_file": ports, "transport": transport}})
    finally:
        shutil.rmtree(folder, ignore_errors=True)
