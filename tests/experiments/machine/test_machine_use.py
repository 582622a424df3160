from pathlib import Path

import pytest

from experiments.machine.use import gpu_use, machine_use


def test_memory_and_cores_are_this_machines() -> None:
    use = machine_use()
    assert use.cores >= 1
    assert 0 < use.memory_used < use.memory_total


def test_gpus_are_what_nvidia_smi_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = tmp_path / "nvidia-smi"
    stand_in.write_text(
        "#!/bin/sh\necho '0, NVIDIA H200, 37, 2048, 143771, GPU-a'\necho '1, NVIDIA H200 MIG, [N/A], 1, 2, GPU-b'\n"
    )
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    first, second = gpu_use()
    assert (first.index, first.name, first.percent, first.memory_used) == (0, "NVIDIA H200", 37.0, 2048 * 2**20)
    assert second.percent == 0.0
    assert (first.uuid, second.uuid) == ("GPU-a", "GPU-b")


def test_without_nvidia_smi_there_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_use() == ()
