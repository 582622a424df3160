import subprocess
from pathlib import Path

import psutil
import pytest

from experiments.launch.device_memory import Rooms, gpu_rooms, host_room, smallest_gpu
from experiments.launch.protocol import Slot

SAID = "0, A card, 5, 559, 81559, GPU-aaaa-1\n1, A card, 5, 81059, 81559, GPU-bbbb-2\n"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Every question to the driver's tool, which knows two GPUs."""
    questions: list[tuple[str, ...]] = []

    def run(command: tuple[str, ...], **_: object) -> subprocess.CompletedProcess[str]:
        questions.append(command)
        return subprocess.CompletedProcess(command, 0, SAID, "")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return questions


def test_gpus_are_named_as_pytorch_names_them(asked: list[tuple[str, ...]]) -> None:
    rooms = gpu_rooms()
    assert rooms.keys() == {"cuda:0", "cuda:1"}
    assert rooms["cuda:1"].total == 81559 * 2**20
    assert rooms["cuda:1"].free == 500 * 2**20
    assert rooms["cuda:1"].guess is None


def test_the_smallest_gpu_is_what_a_cohort_may_get(monkeypatch: pytest.MonkeyPatch) -> None:
    said = SAID.replace("81559, GPU-bbbb", "40960, GPU-bbbb")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess((), 0, said, ""))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert smallest_gpu() == 40960 * 2**20


@pytest.mark.parametrize(
    ("visible", "free"), [("1", [500]), ("1,0", [500, 81000]), ("GPU-bbbb", [500]), ("", []), ("MIG-x", [])]
)
def test_only_visible_gpus_count_and_in_their_order(
    asked: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, visible: str, free: list[int]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    rooms = gpu_rooms()
    assert [rooms[f"cuda:{position}"].free // 2**20 for position in range(len(rooms))] == free


def test_the_tool_is_asked_seldom_and_never_for_a_cpu(asked: list[tuple[str, ...]]) -> None:
    rooms = Rooms()
    assert [rooms(Slot(device="cuda:0")), rooms(Slot(device="cuda:1"))] == list(gpu_rooms().values())
    assert rooms(Slot(device="cpu")) is not None
    assert len(asked) == 2
    assert rooms(Slot(device="cuda:7")) is None


@pytest.mark.parametrize("fault", [FileNotFoundError("nvidia-smi"), subprocess.TimeoutExpired("nvidia-smi", 30)])
def test_where_the_tool_does_not_tell_nothing_is_known(monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    def run(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(subprocess, "run", run)
    assert gpu_rooms() == {}
    assert smallest_gpu() is None
    assert Rooms()(Slot(device="cuda:0")) is None


def test_a_container_has_what_it_is_given(tmp_path: Path) -> None:
    machine = psutil.virtual_memory().total
    assert host_room(tmp_path).total == machine
    (tmp_path / "memory.max").write_text(f"{2**30}\n")
    (tmp_path / "memory.current").write_text(f"{2**29}\n")
    given = host_room(tmp_path)
    assert (given.total, given.free) == (2**30, 2**29)
    (tmp_path / "memory.max").write_text("max\n")
    assert host_room(tmp_path).total == machine
