"""What pyproject.toml cannot say: notebooks and committed tables travel in the package."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
BROUGHT = ("notebooks/*.ipynb", "results/*/*/*.csv")  # no checkpoints and figures: 50 MB


class WithNotebooks(build_py):
    """Copies them below cdvae/ in what is built; a checkout keeps them in one place."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for path in sorted(path for pattern in BROUGHT for path in ROOT.glob(pattern)):
            to = Path(self.build_lib) / "cdvae" / path.relative_to(ROOT)
            self.mkpath(str(to.parent))
            self.copy_file(str(path), str(to))


setup(cmdclass={"build_py": WithNotebooks})
