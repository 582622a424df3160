"""The devices of this machine, and how many processes share them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.launch.device_memory import gpu_rooms
from experiments.launch.protocol import Slot, share_out
from experiments.machine.cores import available_cores

if TYPE_CHECKING:
    import torch

_DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA's, AMD's, and Windows' under Linux
_GPU_PROCESSES = 4  # more seldom fit, and each takes a core
_CPU_PROCESSES = 2  # more processes than this each hold the data in memory again for little


def slots_for(device: str, jobs: int, gpus_per_run: int = 1) -> tuple[Slot, ...]:
    """The slots for cohorts on this machine; `device` is auto, cpu, cuda or cuda:N.

    `jobs` of 0 means two on a CPU; on each GPU four where the cores suffice and the driver tells its memory, else one.
    With `gpus_per_run` a slot is that many GPUs (cuda:0,1), or processes that share a CPU's cores. Raises ValueError
    for a device that is not here, or too few GPUs.
    """
    devices = _devices(device)
    cores = available_cores()
    slots = jobs or (min(cores, _CPU_PROCESSES) if devices == ("cpu",) else _on_gpus(devices, cores))
    if gpus_per_run > 1:
        cores = max(1, cores // gpus_per_run)
        if devices != ("cpu",):
            devices = _grouped(devices, gpus_per_run)
            slots = jobs or len(devices)
    return share_out(devices, slots=slots, cores=cores)


def _grouped(devices: tuple[str, ...], size: int) -> tuple[str, ...]:
    if len(devices) < size:
        raise ValueError(f"--gpus-per-run {size}: there are only {len(devices)} GPUs here ({', '.join(devices)})")
    numbers = [device.removeprefix("cuda:") for device in devices]
    return tuple("cuda:" + ",".join(numbers[i : i + size]) for i in range(0, len(numbers) - size + 1, size))


def _on_gpus(devices: tuple[str, ...], cores: int) -> int:
    if not set(devices) <= gpu_rooms().keys():
        return len(devices)
    return len(devices) * max(1, min(_GPU_PROCESSES, cores // len(devices)))


def torch_device(device: str) -> "torch.device":
    """The one device a command computes on. Raises ValueError for a device that is not here."""
    import torch

    return torch.device(_devices(device)[0])


def _devices(device: str) -> tuple[str, ...]:
    if device == "cpu" or (device == "auto" and not _may_have_gpus()):
        return ("cpu",)
    import torch

    here = tuple(f"cuda:{index}" for index in range(torch.cuda.device_count()))
    if device == "auto":
        return here or ("cpu",)
    if device == "cuda" and here:
        return here
    if device in here:
        return (device,)
    raise ValueError(
        f"device: must be auto, cpu or one of this machine's {list(here) or 'GPUs (there are none)'}, got {device!r}"
    )


def _may_have_gpus() -> bool:
    """False where the system has no GPU driver, so that nobody waits for torch to say so."""
    return sys.platform != "linux" or any(Path(file).exists() for file in _DRIVERS)
