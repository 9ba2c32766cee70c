"""Progress of long work: a bar in a terminal, a line for each step otherwise; both say how long
is left."""

import sys
import time


class Progress:
    """Counts steps of work; `quiet` keeps it silent, as a notebook wants it."""

    def __init__(self, total: int, quiet: bool = False):
        from tqdm import tqdm

        self.done, self.total, self.quiet = 0, total, quiet
        self.start = time.monotonic()
        self.terminal = sys.stderr.isatty() and not quiet
        self.bar = tqdm(total=total, disable=not self.terminal, unit="step", smoothing=0.05)

    def step(self, text: str, steps: int = 1) -> None:
        """Some steps are done; text says what."""
        self.done += steps
        if self.terminal:
            self.bar.set_description(text, refresh=False)
            self.bar.update(steps)
        elif not self.quiet:
            print(f"[{self.done}/{self.total}] {text}{self.left()}", flush=True)

    def left(self) -> str:
        """How long is left, if the steps to come take as long as those before."""
        seconds = (time.monotonic() - self.start) / self.done * (self.total - self.done)
        if seconds < 1:
            return ""
        return f" ({spoken(seconds)} left)"

    def close(self) -> None:
        self.bar.close()


def spoken(seconds: float) -> str:
    """A time for a reader: "40 s", "12 min", "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
