import subprocess
import sys

import pytest

from experiments.launch import devices
from experiments.launch.protocol import Slot


@pytest.mark.parametrize(
    ("cores", "jobs", "slots"),
    [
        (2, 0, (Slot(threads=1), Slot(threads=1))),
        (8, 0, (Slot(threads=4), Slot(threads=4))),
        (1, 0, (Slot(threads=1),)),
        (8, 1, (Slot(threads=8),)),
        (2, 3, (Slot(threads=1),) * 3),
    ],
)
def test_processes_share_the_cores(
    monkeypatch: pytest.MonkeyPatch, cores: int, jobs: int, slots: tuple[Slot, ...]
) -> None:
    monkeypatch.setattr(devices, "available_cores", lambda: cores)
    assert devices.slots_for("cpu", jobs) == slots


def test_every_gpu_gets_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr(devices, "_DRIVERS", (__file__,))
    monkeypatch.setattr(devices, "available_cores", lambda: 8)
    assert [slot.device for slot in devices.slots_for("auto", 0)] == ["cuda:0", "cuda:1"]
    assert [slot.device for slot in devices.slots_for("cuda:1", 0)] == ["cuda:1"]


def test_cohorts_of_several_gpus_share_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 5)
    monkeypatch.setattr(devices, "available_cores", lambda: 16)
    assert devices.slots_for("cuda", 0, 2) == (Slot(device="cuda:0,1", threads=4), Slot(device="cuda:2,3", threads=4))
    assert devices.slots_for("cpu", 1, 2) == (Slot(threads=8),)
    with pytest.raises(ValueError, match="only 5 GPUs"):
        devices.slots_for("cuda", 0, 6)


@pytest.mark.parametrize("device", ["cuda", "cuda:5", "tpu"])
def test_a_device_that_is_not_here_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with pytest.raises(ValueError, match=f"none.*got '{device}'"):
        devices.slots_for(device, 0)


def test_a_machine_without_a_gpus_driver_need_not_ask_torch() -> None:
    ask = "import sys; from experiments.launch import devices; devices._DRIVERS = (); devices.slots_for('auto', 0)"
    subprocess.run([sys.executable, "-c", f"{ask}; assert 'torch' not in sys.modules"], check=True)
