"""Files read one by one, where any of them may be damaged."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cdvae.tools.chunks import gather
from cdvae.tools.files import InputError


class Unusable(ValueError):
    """A file that cannot be used; the message is the reason, without the file's name."""


@contextmanager
def decoding(kind: str) -> Iterator[None]:
    """Whatever a decoder raises becomes `Unusable` with the reason, in a few words.

    Decoders fail in more ways than any list of exceptions holds: Pillow alone lets struct.error,
    SyntaxError, zlib.error, IndexError, KeyError and others pass, by the kind of damage.
    """
    try:
        yield
    except (Unusable, InputError):
        raise
    except MemoryError as error:
        raise Unusable(f"a {kind} too large for this machine's memory") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno:  # not there, no permission: no damage
            raise
        raise Unusable(f"damaged {kind} ({in_short(error)})") from error


def in_short(error: Exception) -> str:
    """What an exception says, in one line that is not long."""
    text = " ".join(str(error).split())
    return text[:80] if text else type(error).__name__


def read_all(
    work: Callable, names: Sequence[str], unit: str, workers: int | None
) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    """What `work` found in each file (a row "found"), and why it could not read the others."""
    with tempfile.TemporaryDirectory() as folder:
        read = gather(work, names, Path(folder), describe=unit, chunk=128, workers=workers)
        found = map(tuple, read.load("found").tolist())
        return dict(zip(read.rows, found, strict=True)), dict(read.failed)
