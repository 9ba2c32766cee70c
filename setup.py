"""What pyproject.toml cannot say: the notebooks travel in the package, as cdvae/notebooks/."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class WithNotebooks(build_py):
    """Copies the notebooks into what is built; a checkout keeps them in one place."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        to = Path(self.build_lib) / "cdvae" / "notebooks"
        self.mkpath(str(to))
        for path in sorted(Path(__file__).parent.glob("notebooks/*.ipynb")):
            self.copy_file(str(path), str(to / path.name))


setup(cmdclass={"build_py": WithNotebooks})
