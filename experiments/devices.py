"""The devices of this machine, and how many processes share them."""

from typing import TYPE_CHECKING

from experiments.launch.local import available_cores, share_out
from experiments.launch.protocol import Slot

if TYPE_CHECKING:
    import torch

_CPU_PROCESSES = 2  # more processes than this each hold the data in memory again for little


def slots_for(device: str, jobs: int) -> tuple[Slot, ...]:
    """The rooms for processes: `device` is auto, cpu, cuda or cuda:N; `jobs` is 0 for one a GPU, or two on a CPU.

    Raises ValueError for a device that is not here.
    """
    devices = _devices(device)
    cores = available_cores()
    slots = jobs or (min(cores, _CPU_PROCESSES) if devices == ("cpu",) else len(devices))
    return share_out(devices, slots=slots, cores=cores)


def torch_device(device: str) -> "torch.device":
    """The one device a command computes on: `device` is auto, cpu, cuda or cuda:N.

    Raises ValueError for a device that is not here.
    """
    import torch

    return torch.device(_devices(device)[0])


def _devices(device: str) -> tuple[str, ...]:
    if device == "cpu":
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
