"""What made a result: versions, device, code, time and memory."""

import hashlib
import platform
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

import torch

from cdvae.tools.files import checkout

PACKAGES = ("cdvae", "torch", "numpy", "scipy", "scikit-learn", "pandas", "opencv-python-headless")


def git(*arguments: str) -> str | None:
    """What git prints about the project's checkout; None where there is none, and where another
    repository holds it that does not track it."""
    if (place := checkout()) is None:
        return None
    ours = ["git", "-C", str(place), "ls-files", "--error-unmatch", "cdvae/__init__.py"]
    command = ["git", "-C", str(place), *arguments]
    try:
        subprocess.run(ours, capture_output=True, check=True)
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def processor() -> str:
    """The processor's name, family and model, as far as the system tells.

    A cloud's processors share a name; their models round sums differently.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    pairs = [[half.strip() for half in line.split(":", 1)] for line in lines if ":" in line]
    cores = [value for name, value in pairs if name == "model name"]
    if not cores:
        return platform.processor() or platform.machine()
    first = dict(reversed(pairs))
    kind = ", ".join(f"{name} {first[name]}" for name in ("cpu family", "model") if name in first)
    return f"{cores[0]} ({kind}), {len(cores)} cores"


def device_name(device: torch.device) -> str:
    """The name of the GPU or of the processor that computes."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor()


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that shape a result."""
    found = {"python": platform.python_version(), "system": sys.platform}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


@cache
def code_digest() -> str:
    """The SHA-256 of the package's code and settings, file by file, in hex."""
    package, digest = Path(__file__).resolve().parents[1], hashlib.sha256()
    for path in sorted(path for kind in ("py", "toml") for path in package.rglob(f"*.{kind}")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def circumstances(device: torch.device) -> dict:
    """Versions, device, git commit and whether files that git tracks were changed since."""
    changed = git("status", "--porcelain", "--untracked-files=no", "--", "cdvae", "pyproject.toml")
    return {
        "versions": versions(),
        "device": device_name(device),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "git_commit": git("rev-parse", "HEAD"),
        "git_dirty": None if changed is None else bool(changed),
    }


def peak_memory_mb(device: torch.device) -> dict[str, float]:
    """Largest memory so far, in MB: of this process, and of the GPU if one is used."""
    import resource  # not on Windows

    scale = 1024 if sys.platform != "darwin" else 1024**2
    peak = {"process": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale)}
    if device.type == "cuda":
        peak["gpu"] = round(torch.cuda.max_memory_allocated(device) / 1024**2)
    return peak
