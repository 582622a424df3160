"""What this machine is doing now: cores, memory and, where nvidia-smi is, GPUs."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

_ASK = ("index", "name", "utilization.gpu", "memory.used", "memory.total", "uuid")
_MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuUse:
    """One GPU: how busy it is, in per cent, and its memory in bytes."""

    index: int
    name: str
    percent: float
    memory_used: int
    memory_total: int
    uuid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineUse:
    """The whole machine: `cpu_percent` over all cores since the last look, memory in bytes, its GPUs."""

    cpu_percent: float
    cores: int
    memory_used: int
    memory_total: int
    gpus: tuple[GpuUse, ...]


def machine_use() -> MachineUse:
    """What the machine is doing now."""
    import psutil

    memory = psutil.virtual_memory()
    return MachineUse(
        cpu_percent=psutil.cpu_percent(),
        cores=psutil.cpu_count() or 1,
        memory_used=memory.total - memory.available,
        memory_total=memory.total,
        gpus=gpu_use(),
    )


def gpu_use() -> tuple[GpuUse, ...]:
    """Every GPU that nvidia-smi knows; none without nvidia-smi."""
    command = ["nvidia-smi", f"--query-gpu={','.join(_ASK)}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(_gpu(line) for line in answer.splitlines() if line.count(",") == len(_ASK) - 1)


def _gpu(line: str) -> GpuUse:
    index, name, percent, used, total, uuid = (cell.strip() for cell in line.split(","))
    return GpuUse(
        index=int(index),
        name=name,
        percent=_number(percent),
        memory_used=int(_number(used) * _MIB),
        memory_total=int(_number(total) * _MIB),
        uuid=uuid,
    )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:  # "[N/A]": a part of a shared GPU does not tell
        return 0.0
