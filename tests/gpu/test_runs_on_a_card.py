"""Whole runs on a card: killed, out of memory, and two cohorts at once.

See `conftest.py` for how to run this on a CPU.
"""

import os
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from real_sweep import launched, planned
from small_sweeps import MINI
from test_real_faults import numbers
from torch import Tensor

from distilpose.data.stream import Batch
from distilpose.losses.criteria import HEATMAP_LOSSES, LossCriterion
from experiments.build import models as build
from experiments.launch.inline import InlineLauncher
from experiments.launch.local import LocalLauncher
from experiments.launch.protocol import Slot
from experiments.plan.plan import Plan
from experiments.runs.store import Store

pytestmark = pytest.mark.gpu


def folder_of(path: Path) -> Path:
    path.mkdir()
    return path


def made(folder: Path, text: str, device: str) -> tuple[Plan, Store]:
    """A sweep carried out in processes of its own, one at a time."""
    plan = planned(folder, text)
    assert launched(plan, folder / "runs", LocalLauncher([Slot(device=device)])).complete
    return plan, Store(folder / "runs")


def test_a_run_killed_on_its_way_ends_with_the_numbers_of_an_undisturbed_one(device: str, tmp_path: Path) -> None:
    text = MINI.replace("epochs: 2", "epochs: 6").replace("eval_every: 1", "eval_every: 2")
    plan, whole = made(folder_of(tmp_path / "whole"), text, device)
    planned(folder_of(tmp_path / "killed"), text)
    store = Store(tmp_path / "killed" / "runs")
    run_id = next(row for row in plan.rows if row.name == "all").runs[0].run_id
    killed: list[int] = []

    def kill() -> None:
        run, deadline = store.run(run_id), time.monotonic() + 300
        while not killed and time.monotonic() < deadline:
            owner = run.holder() if run.path.exists() else None
            if owner is not None and list(run.checkpoints.glob("step-*")):
                os.kill(owner.pid, signal.SIGKILL)
                killed.append(owner.pid)
            time.sleep(0.01)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    assert launched(plan, store.root, LocalLauncher([Slot(device=device)]), retries=3).complete
    killer.join()
    starts = [event for event in store.run(run_id).read_journal() if event["event"] == "start"]
    assert killed
    assert len(starts) == 2
    assert numbers(store, plan) == numbers(whole, plan)


def test_out_of_memory_is_tried_again_with_fewer_people_at_once(
    device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Greedy(LossCriterion):
        def forward(self, output: Any, batch: Batch, *rest: Any) -> dict[str, Tensor]:
            if len(batch.images) > 2 and self.losses != HEATMAP_LOSSES:
                torch.empty(2**46, device=batch.images.device)  # the allocator itself refuses
            return super().forward(output, batch, *rest)

    monkeypatch.setattr(build, "LossCriterion", Greedy)
    plan, store = planned(tmp_path, MINI), Store(tmp_path / "runs")
    assert launched(plan, store.root, InlineLauncher(device=device)).complete
    for run in (store.run(run.run_id) for row in plan.rows for run in row.runs):
        assert [event.get("micro_batch") for event in run.read_journal() if event["event"] == "start"] == [None, 4, 2]
        result = run.result()
        assert result is not None
        assert result.micro_batch == 2


def test_two_cohorts_share_the_card_and_change_no_number(device: str, tmp_path: Path) -> None:
    text = (
        MINI.replace("rows:", "seeds: [0, 1]\nrows:")
        .replace("epochs: 2, batch_size: 8", "epochs: 6, batch_size: 8")
        .replace("eval_every: 1", "eval_every: 3")
    )
    plan, one_by_one = made(folder_of(tmp_path / "one"), text, device)
    shutil.copytree(tmp_path / "one", tmp_path / "both")
    both = Store(tmp_path / "both" / "runs")
    cohorts = [cohort for cohort in plan.cohorts if cohort.teacher_id is not None]
    assert len(cohorts) == 2
    for run_id in (run_id for cohort in cohorts for run_id in cohort.run_ids):
        shutil.rmtree(both.run(run_id).path)
    assert launched(plan, both.root, LocalLauncher([Slot(device=device), Slot(device=device)])).complete
    assert numbers(both, plan) == numbers(one_by_one, plan)

    spans = []
    for cohort in cohorts:
        events = [event["t"] for run_id in cohort.run_ids for event in both.run(run_id).read_journal()]
        spans.append((min(events), max(events)))
        result = both.run(cohort.run_ids[0]).result()
        assert result is not None
        assert result.memory_bytes
        assert result.provenance["device"] == device
    assert max(begin for begin, _ in spans) < min(end for _, end in spans)
