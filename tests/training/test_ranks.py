"""Two processes that train one cohort, against one process: gloo, on the CPU."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from two_processes import cohort, normalised, train, weights

from distilpose.training.ranks import Ranks

# In float64; the teacher's output is in float32, whatever the precision. In float32 single weights are up to 3e-3 apart
# after these six steps of 0.01, where Adam divides small gradients by themselves.
CLOSE = {"rtol": 1e-6, "atol": 1e-9}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left behind."""
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torchrun = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "GROUP_RANK": "0",
        "TORCHELASTIC_RUN_ID": "two",
        "OMP_NUM_THREADS": "1",
    }
    script = Path(__file__).with_name("two_processes.py")
    processes = [
        subprocess.Popen(
            [sys.executable, str(script), str(folder)],
            env={**os.environ, **torchrun, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]
    try:
        assert [process.wait(300) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return folder


@pytest.fixture(scope="module")
def left(folder: Path) -> list[dict[str, Any]]:
    """What each of the two found."""
    return [torch.load(folder / f"rank-{rank}.pt", weights_only=False) for rank in range(2)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one process found."""
    members = cohort(tmp_path_factory.mktemp("one"))
    done, witness = train(members, Ranks())
    assert done
    return {"weights": weights(members), "values": witness.values, "said": witness.said}


def assert_close(found: dict[str, dict[str, Tensor]], wanted: dict[str, dict[str, Tensor]]) -> None:
    assert found.keys() == wanted.keys()
    for name in wanted:
        torch.testing.assert_close(found[name], wanted[name], **CLOSE)


def same(one: dict[str, dict[str, Tensor]], other: dict[str, dict[str, Tensor]]) -> bool:
    return all(torch.equal(one[run][name], other[run][name]) for run in other for name in other[run])


def test_two_processes_train_to_the_weights_of_one(left: list[dict[str, Any]], alone: dict[str, Any]) -> None:
    assert left[0]["whole"]["done"]
    assert_close(left[0]["whole"]["weights"], alone["weights"])


def test_both_processes_have_the_same_weights_to_the_last_bit(left: list[dict[str, Any]]) -> None:
    for scenario in ("whole", "resumed", "parts"):
        assert same(left[0][scenario]["weights"], left[1][scenario]["weights"])


def test_what_is_measured_is_of_the_whole_batch(left: list[dict[str, Any]], alone: dict[str, Any]) -> None:
    for run, rows in alone["values"].items():
        for found, wanted in zip(left[0]["whole"]["values"][run], rows, strict=True):
            wanted = {name: value for name, value in wanted.items() if name != "train/images_per_second"}
            assert {name: found[name] for name in wanted} == pytest.approx(wanted, rel=1e-6, abs=1e-9)


def test_the_first_process_alone_says_what_happens_and_says_the_same(
    left: list[dict[str, Any]], alone: dict[str, Any]
) -> None:
    assert left[0]["whole"]["said"] == alone["said"]
    assert left[1]["whole"]["said"] == []


def test_all_stop_at_one_step_when_any_is_asked_to_and_go_on_to_the_same_bits(left: list[dict[str, Any]]) -> None:
    assert [one["cut"]["done"] for one in left] == [False, False]
    assert [one["cut"]["steps"] for one in left] == [[4, 4, 4], [4, 4, 4]]
    assert [event for event in left[0]["cut"]["said"] if event[2] == 4] == [
        ("checkpointed", name, 4) for name in ("all", "none", "circle")
    ]
    assert same(left[0]["resumed"]["weights"], left[0]["whole"]["weights"])


def test_a_run_that_two_began_goes_on_alone(folder: Path, left: list[dict[str, Any]]) -> None:
    members = cohort(folder / "alone")
    done, witness = train(members, Ranks())
    assert done
    assert ("restored", "all", 4) in witness.said
    assert_close(weights(members), left[0]["whole"]["weights"])


def test_a_run_that_was_lost_leaves_in_every_process_and_the_others_go_on(left: list[dict[str, Any]]) -> None:
    assert [one["robbed"]["gone"] for one in left] == [[True, False, False]] * 2
    assert ("left", "all", 3) in left[0]["robbed"]["said"]
    others = {name: left[0]["whole"]["weights"][name] for name in ("none", "circle")}
    assert same(left[0]["robbed"]["weights"], others)


def test_two_cards_are_the_same_in_one_process_and_in_two(
    left: list[dict[str, Any]], alone: dict[str, Any], tmp_path: Path
) -> None:
    members = cohort(tmp_path, cards=2)
    assert train(members, Ranks())[0]
    assert_close(left[0]["cards"]["weights"], weights(members))
    assert not same(left[0]["cards"]["weights"], left[0]["whole"]["weights"])


def test_batch_normalisation_is_of_the_whole_batch_as_are_its_gradients(left: list[dict[str, Any]]) -> None:
    wanted = normalised(Ranks())
    found = [one["normalised"] for one in left]
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        for one in found:
            torch.testing.assert_close(one[name], wanted[name])
    for name in ("output", "to_input"):
        together = torch.stack([one[name] for one in found], 1).flatten(0, 1)
        torch.testing.assert_close(together, wanted[name])
    for name in ("to_weight", "to_bias"):
        torch.testing.assert_close(found[0][name] + found[1][name], wanted[name])
