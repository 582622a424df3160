"""The memory of this machine's devices, asked anew every few seconds."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

import psutil

from experiments.launch.packing import Room
from experiments.launch.protocol import Slot
from experiments.machine.use import gpu_use

_CPU_GUESS = 2 * 2**30  # what a small cohort and its data take on a CPU
_FRESH_SECONDS = 5.0
_CGROUP = Path("/sys/fs/cgroup")


def host_room(cgroup: Path = _CGROUP) -> Room:
    """The memory that processes on the CPU share: the machine's, or the container's part of it."""
    memory = psutil.virtual_memory()
    total, free = memory.total, memory.available
    with suppress(OSError, ValueError):  # no limit, or not Linux
        limit = int((cgroup / "memory.max").read_text())
        used = int((cgroup / "memory.current").read_text())
        total, free = min(total, limit), min(free, limit - used)
    return Room(total=total, free=free, guess=_CPU_GUESS)


def gpu_rooms() -> dict[str, Room]:
    """The memory of every GPU by its name in PyTorch; empty where the driver does not tell."""
    gpus = list(gpu_use())
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        # PyTorch counts the devices that are visible, in the order in which they are named.
        names = [name.strip() for name in visible.split(",") if name.strip()]
        chosen = [gpu for name in names for gpu in gpus if name == str(gpu.index) or gpu.uuid.startswith(name)]
        gpus = chosen if len(chosen) == len(names) else []
    return {
        f"cuda:{position}": Room(total=gpu.memory_total, free=gpu.memory_total - gpu.memory_used, gpu=gpu.uuid)
        for position, gpu in enumerate(gpus)
    }


def smallest_gpu() -> int | None:
    """The memory in bytes of this machine's smallest GPU; None where there is none, or the driver does not tell."""
    return min((room.total for room in gpu_rooms().values() if room.total), default=None)


class Rooms:
    """The memory of a slot's device."""

    def __init__(self) -> None:
        self._gpus: dict[str, Room] = {}
        self._asked = float("-inf")

    def __call__(self, slot: Slot) -> Room | None:
        """Its memory, or None where it is unknown."""
        if slot.device == "cpu":
            return host_room()
        if time.monotonic() - self._asked > _FRESH_SECONDS:
            self._gpus, self._asked = gpu_rooms(), time.monotonic()
        return self._gpus.get(slot.device)
