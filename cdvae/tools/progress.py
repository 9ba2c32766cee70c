"""Progress of long work: a bar in a terminal, a line for each step otherwise."""

import sys


class Progress:
    """Counts steps of work; `quiet` keeps it silent, as a notebook wants it."""

    def __init__(self, total: int, quiet: bool = False):
        from tqdm import tqdm

        self.done, self.total, self.quiet = 0, total, quiet
        self.terminal = sys.stderr.isatty() and not quiet
        self.bar = tqdm(total=total, disable=not self.terminal, unit="step", smoothing=0.05)

    def step(self, text: str, steps: int = 1) -> None:
        """Some steps are done; text says what."""
        self.done += steps
        if self.terminal:
            self.bar.set_description(text, refresh=False)
            self.bar.update(steps)
        elif not self.quiet:
            print(f"[{self.done}/{self.total}] {text}", flush=True)

    def close(self) -> None:
        self.bar.close()
