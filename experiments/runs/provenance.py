"""Where a result came from: code, lock file, machine and versions, as far as they are known.

Long texts shared by many runs, the difference of the code from its commit and the list of packages, are kept once in
`provenance/`, named by their hash.
"""

import hashlib
import os
import platform
import shlex
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from experiments.runs.atomic import write_whole

_PACKAGES = ("torch", "torchvision", "lightning-fabric", "numpy", "opencv-python-headless", "pycocotools", "timm")
_CODE = ("distilpose", "experiments", "reports", "sweeps")
_ROOT = Path(__file__).resolve().parents[2]
# What of a process's environment can change its numbers or its speed.
_VARIABLES = (
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "MKL_NUM_THREADS",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "PYTORCH_CUDA_ALLOC_CONF",
)


def provenance(runs: Path | None = None) -> dict[str, Any]:
    """Commit, lock hash, versions, hardware and command of this process; None for what is unknown.

    With the `runs` directory, the texts behind `diff` and `environment` are kept there.
    """
    import torch

    gpu = torch.cuda.is_available()
    return {
        **code_state(runs),
        "lock_sha256": _digest(_ROOT / "uv.lock"),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "environment": _kept(runs, _installed(), ".txt"),
        "variables": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
        "platform": platform.platform(),
        "host": socket.gethostname(),
        "cpu": _cpu_name(),
        "memory_bytes": _memory(),
        "gpu": torch.cuda.get_device_name() if gpu else None,
        "gpus": torch.cuda.device_count() if gpu else 0,
        "cuda": torch.version.cuda if gpu else None,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    }


def code_state(runs: Path | None = None) -> dict[str, Any]:
    """The commit of the running code, and whether the code differs from it; `diff` is the hash of the difference.

    New files of our packages are part of the difference: commit and diff restore the code.
    """
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return {"commit": None, "dirty": None, "diff": None}
    difference = _difference()
    return {
        "commit": commit.strip(),
        "dirty": bool(difference),
        "diff": _kept(runs, difference, ".diff") if difference else None,
    }


def kept_file(runs: Path, sha256: str, suffix: str) -> Path:
    """Where a text of this hash is kept: the `diff` of a provenance, or its `environment` (.txt)."""
    return runs / "provenance" / f"{sha256}{suffix}"


def _kept(runs: Path | None, text: str, suffix: str) -> str:
    """The text's hash; with a runs directory, the text is there under it."""
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    if runs is not None:
        path = kept_file(runs, sha256, suffix)
        if not path.exists():
            write_whole(path, text)
    return sha256


def _difference() -> str:
    """The difference of the code from its commit, as `git apply` takes it."""
    parts = [_git("diff", "--binary", "HEAD") or ""]
    unknown = _git("ls-files", "--others", "--exclude-standard", "-z", "--", *_CODE) or ""
    for name in filter(None, unknown.split("\0")):
        parts.append(_git("diff", "--binary", "--no-index", "--", os.devnull, name, fine=(0, 1)) or "")
    return "".join(parts)


def _git(*arguments: str, fine: tuple[int, ...] = (0,)) -> str | None:
    """The output of git; None where it fails, or the code is in no repository of its own."""
    if not (_ROOT / ".git").exists():
        return None  # installed as a package: another repository above it is not ours
    command = ["git", "-C", str(_ROOT), *arguments]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return ended.stdout if ended.returncode in fine else None


def _installed() -> str:
    """Every installed package and its version, a line each."""
    found = {f"{part.name}=={part.version}" for part in metadata.distributions()}
    return "".join(f"{line}\n" for line in sorted(found))


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return None


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
