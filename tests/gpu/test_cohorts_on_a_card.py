"""Cohorts on a card: the same bits alone, together, again and after a break; bf16; NCCL.

See `conftest.py` for how to run this on a CPU, where the models are small.
"""

import os
import socket
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest
import torch
from lightning_fabric import Fabric
from test_cohort import Witness, member, same, stop_after, train, validate

from benchmarks.loop import Crops, member_of
from benchmarks.subjects import PAPER, ROWS, TINY
from distilpose.training.cohort import train_cohort
from distilpose.training.member import Member

pytestmark = pytest.mark.gpu

STEPS, PEOPLE = 3, 8
Precision = Literal["32-true", "bf16-mixed"]
PRECISIONS: tuple[Precision, ...] = ("32-true", "bf16-mixed")


def trained(
    device: str, folder: Path, rows: Sequence[str], precision: Precision, steps: int = STEPS
) -> tuple[dict[str, Member], Witness]:
    """Students of the papers' size, of these rows, after some steps; they go on from what lies in the folder."""
    chosen = PAPER if device == "cuda" else TINY
    fabric = Fabric(accelerator=device, devices=1, precision=precision)
    members = {row: member_of(row, chosen.build_student(row), folder, row=row) for row in rows}
    told = Witness()
    train_cohort(
        list(members.values()),
        stream=Crops(PEOPLE, chosen.input_size, fabric.device),
        validate=validate,
        listener=told,
        fabric=fabric,
        teacher=chosen.build_teacher(),
        log_every=1,
        checkpoint_seconds=1e9,
        should_stop=stop_after(steps),
    )
    assert all(one.failure is None for one in members.values())
    return members, told


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_run_has_the_same_bits_again_and_in_a_cohort(device: str, tmp_path: Path, precision: Precision) -> None:
    together, _ = trained(device, tmp_path / "together", [*ROWS], precision)
    assert not same(together["all"], together["KT+VT"])
    for row in ("none", "all"):
        once = trained(device, tmp_path / "once", [row], precision)[0][row]
        again = trained(device, tmp_path / "again", [row], precision)[0][row]
        assert same(once, again), f"{row}: two runs of one differ; {_nondeterministic(device, tmp_path, precision)}"
        assert same(once, together[row]), f"{row}: alone and in a cohort differ, while two runs alone do not"


def _nondeterministic(device: str, folder: Path, precision: Precision) -> list[str]:
    """What PyTorch says of operations that have no deterministic form."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            trained(device, folder / "warned", ["all"], precision, steps=1)
    finally:
        torch.use_deterministic_algorithms(False)
    return [str(one.message) for one in said if "deterministic" in str(one.message)]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_run_goes_on_from_its_checkpoint_to_the_same_bits(device: str, tmp_path: Path, precision: Precision) -> None:
    whole, _ = trained(device, tmp_path / "whole", ["all"], precision, steps=4)
    trained(device, tmp_path / "cut", ["all", "none"], precision, steps=1)
    resumed, told = trained(device, tmp_path / "cut", ["all", "none"], precision, steps=3)
    assert ("restored", "all", 1) in told.said
    assert same(whole["all"], resumed["all"])


def test_bf16_learns_what_fp32_learns_and_keeps_its_weights_in_fp32(device: str, tmp_path: Path) -> None:
    (exact, told), (mixed, told_mixed) = (trained(device, tmp_path / way, ["all"], way, 6) for way in PRECISIONS)
    assert {parameter.dtype for parameter in mixed["all"].model.parameters()} == {torch.float32}
    assert not same(exact["all"], mixed["all"])
    losses, losses_mixed = (
        [row["train/loss"] for row in one.values["all"] if "train/loss" in row] for one in (told, told_mixed)
    )
    assert len(losses) == 6
    assert losses_mixed == pytest.approx(losses, rel=0.1)
    assert losses[-1] < losses[0]
    assert losses_mixed[-1] < losses_mixed[0]


def test_the_card_does_the_work(device: str, tmp_path: Path) -> None:
    members, _ = trained(device, tmp_path, ["all"], "32-true", steps=1)
    places = {parameter.device.type for parameter in members["all"].model.parameters()}
    moments = {
        value.device.type
        for state in members["all"].optimizer.state.values()
        for value in state.values()
        if isinstance(value, torch.Tensor)
    }
    assert places == moments == {device}


def test_the_smallest_students_train_the_same_alone_and_in_a_cohort(device: str, tmp_path: Path) -> None:
    """Of sizes for which cards have other kernels."""
    fabric = Fabric(accelerator=device, devices=1)
    alone, together = member("x", tmp_path / "alone"), member("x", tmp_path / "together")
    train([alone], fabric=fabric)
    train([member("y", tmp_path / "together"), together], fabric=fabric)
    assert same(alone, together)


def test_one_rank_of_a_process_group_trains_as_no_group_does(device: str, tmp_path: Path) -> None:
    """NCCL on a card, gloo on a CPU."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torchrun = {
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1",
        "GROUP_RANK": "0", "RANK": "0", "LOCAL_RANK": "0", "TORCHELASTIC_RUN_ID": "one",
    }  # fmt: skip
    script = Path(__file__).with_name("one_rank.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), device],
        env={**os.environ, **torchrun},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split()[-1] == ("nccl" if device == "cuda" else "gloo")
