"""Kernels of notebooks as forks of one process that has loaded the package.

To import torch, pandas, matplotlib and the like takes a kernel seconds, more than most notebooks'
cells do; a fork finds them imported. Where a process cannot be forked safely (anywhere but on
Linux), kernels start as ever.
"""

import multiprocessing
import multiprocessing.util
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import EntryPoint
from multiprocessing.process import BaseProcess
from typing import Any

from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

from cdvae.tools.chunks import end_with_parent
from cdvae.tools.files import marked

NAME = "cdvae-forked"
KERNEL = "ipykernel_launcher"  # the module that a kernel's command runs
LOADED = ["ipykernel.kernelapp", "ipywidgets", "cdvae.notebook"]
INLINE = "module://matplotlib_inline.backend_inline"
LONGEST = 107  # bytes of a socket's path on Linux
SOCKET = "/pymp-12345678/listener-12345678"  # what multiprocessing adds to the folder


def can_fork() -> bool:
    """Whether kernels can be forks here."""
    return sys.platform == "linux"


@contextmanager
def forked_kernels() -> Iterator[None]:
    """Kernels that start in here are forks; those that still run at its end are ended."""
    if not can_fork():
        yield
        return
    own_folder()  # before multiprocessing makes its own
    factory = KernelProvisionerFactory.instance()
    place = f"{__name__}:{Provisioner.__name__}"
    factory.provisioners[NAME] = EntryPoint(NAME, place, KernelProvisionerFactory.GROUP_NAME)
    before, factory.default_provisioner_name = factory.default_provisioner_name, NAME
    try:
        yield
    finally:
        factory.default_provisioner_name = before
        for fork in list(Fork.running):
            fork.kill()


@cache
def own_folder() -> str:
    """The folder for temporary files of the forks, which a later run sweeps if they are killed.

    What others make, notebooks' cells or multiprocessing for its sockets, has names that tell
    nobody whose it was.
    """
    folder = tempfile.mkdtemp(prefix=marked("f"))  # sockets want short names
    after = {"exitpriority": -101}  # that of the sockets' folder is -100
    multiprocessing.util.Finalize(None, shutil.rmtree, (folder, True), **after)
    if len(os.fsencode(folder + SOCKET)) <= LONGEST:
        before, tempfile.tempdir = tempfile.tempdir, folder
        try:
            multiprocessing.util.get_temp_dir()  # which keeps to what it has once made
        finally:
            tempfile.tempdir = before
    return folder


class Provisioner(LocalProvisioner):
    """Starts a kernel as a fork; all else is as Jupyter does it for a process of its own."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> dict[str, Any]:
        """Fork one for the arguments of a kernel's usual command."""
        if KERNEL not in cmd:  # a kernel of another kind
            return await super().launch_kernel(cmd, **kwargs)
        arguments = cmd[cmd.index(KERNEL) + 1 :]
        env = kwargs["env"] | {"TMPDIR": own_folder()}
        self.process = Fork(arguments, env, os.fspath(kwargs.get("cwd") or os.getcwd()))
        self.pid = self.pgid = self.process.pid
        return self.connection_info


class Fork:
    """A forked kernel, with what Jupyter asks of a `subprocess.Popen`."""

    stdin = stdout = stderr = None
    running: set["Fork"] = set()

    def __init__(self, arguments: list[str], env: dict[str, str], folder: str):
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(LOADED)  # by the process that is forked
        self.process: BaseProcess = context.Process(target=serve, args=(arguments, env, folder))
        self.process.start()
        self.pid = self.process.pid
        self.running.add(self)

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        if (code := self.process.exitcode) is not None:
            self.running.discard(self)
        return code

    def wait(self) -> int | None:
        """The same, once it has ended."""
        self.process.join()
        return self.poll()

    def send_signal(self, signal: int) -> None:
        os.kill(self.pid, signal)

    def kill(self) -> None:
        self.process.kill()

    def terminate(self) -> None:
        self.process.terminate()


def serve(arguments: list[str], env: dict[str, str], folder: str) -> None:
    """Be a kernel, in a session of its own; it never outlives the process that started it."""
    import matplotlib
    import torch
    from ipykernel.kernelapp import IPKernelApp

    threading.Thread(target=end_with_parent, daemon=True).start()
    os.setsid()
    os.environ.clear()
    os.environ.update(env)
    tempfile.tempdir = None  # it is the environment's from now on
    os.chdir(folder)
    sys.path.insert(0, "")
    matplotlib.rcParams["backend"] = env.get("MPLBACKEND", INLINE)  # it has been imported already
    torch.set_num_threads(1)  # several kernels share the cores
    IPKernelApp.launch_instance(argv=arguments)
