"""Where and how a run computes: its device, one thread, and memory that is used again."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from threading import Event, Thread

import torch
from threadpoolctl import threadpool_limits

from cdvae.tools.files import InputError

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # parameters of glibc's mallopt …
HELD, MAPPED = 1 << 29, 1 << 25  # … and ours, in bytes: 512 MB, and the most that glibc takes
PERIOD = 2.0  # seconds after which memory that is free is given back


def pick_device(name: str) -> torch.device:
    """The device of that name; "auto" takes a GPU where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.zeros(0, device=name).device
    except (RuntimeError, AssertionError):
        raise InputError(f"device '{name}' cannot be used here: try --device cpu") from None


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, so that results do not depend on how many cores a machine has.

    Torch's threads and those of the linear algebra beneath NumPy and SciPy, which solves the
    eigenproblem of the embedding.
    """
    use_memory_again()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


@cache
def use_memory_again() -> None:
    """Keep what is freed for the next step, which asks for the same, rather than give it back.

    glibc gives large blocks back at once, and each page of the next one then costs a fault: a
    tenth of a step of training, and as much as the step itself where Dask has set
    MALLOC_TRIM_THRESHOLD_ for its workers. Other libraries of C are left alone.
    """
    with suppress(OSError, AttributeError, TypeError):  # no glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_TRIM_THRESHOLD, HELD)
        mallopt(M_MMAP_THRESHOLD, MAPPED)


@contextmanager
def memory_given_back() -> Iterator[None]:
    """Give free memory back now and then, where many small results are kept.

    Where a large block was, a small result that stays leaves too little room for the next one:
    memory would grow by about a block for each result, 0.6 MB for a test example that is scored.
    """
    ended = Event()

    def give_back() -> None:
        with suppress(OSError, AttributeError, TypeError):
            trim = ctypes.CDLL(None).malloc_trim
            while not ended.wait(PERIOD):
                trim(0)

    thread = Thread(target=give_back, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
