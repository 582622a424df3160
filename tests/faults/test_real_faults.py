"""Faults of real trainings: an unreadable picture, a dead W&B, and, with `--kills N`, N / 20 of the kills."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from chain_sweep import HERE, MINI, story
from real_sweep import launched, planned

from experiments.plan.plan import Plan
from experiments.runs.store import Store


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the small sweep comes to where nothing happens."""
    return ended(tmp_path_factory.mktemp("real"), MINI)


def ended(folder: Path, text: str) -> dict[str, Any]:
    plan = planned(folder, text)
    assert launched(plan, folder / "runs").complete
    return numbers(Store(folder / "runs"), plan)


def numbers(store: Store, plan: Plan) -> dict[str, Any]:
    """All that was measured, but for the speed."""
    told = story(store, plan)
    for rows in told["rows"].values():
        for _, _, values in rows:
            values.pop("train/images_per_second", None)
    return told


def test_an_unreadable_picture_fails_runs_by_its_name_and_once_it_is_back_they_end_as_ever(
    tmp_path: Path, real: dict[str, Any]
) -> None:
    plan = planned(tmp_path, MINI)
    pictures = sorted((tmp_path / "runs" / "data").rglob("train/*.jpg"))
    broken = pictures[len(pictures) // 2]
    content = broken.read_bytes()
    broken.write_bytes(content[:100])
    outcome = launched(plan, tmp_path / "runs", retries=1)
    teacher = plan.teachers[0].run_id
    assert outcome.failed.keys() == {
        teacher,
        *(run.run_id for row in plan.rows if row.name == "none" for run in row.runs),
    }
    assert broken.name in outcome.failed[teacher]
    assert "attempt 2" in outcome.failed[teacher]
    broken.write_bytes(content)
    assert launched(plan, tmp_path / "runs", retry_failed=True).complete
    assert numbers(Store(tmp_path / "runs"), plan) == real


def test_a_dead_wandb_takes_nothing_from_the_runs(
    tmp_path: Path, real: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import wandb

    asked = []

    def dead(*_: object, **__: object) -> None:
        asked.append(True)
        raise wandb.errors.CommError("no server")

    monkeypatch.setattr(wandb, "init", dead)
    monkeypatch.setattr("experiments.track.wandb.tracker.reach_server", lambda *_: None)
    plan = planned(tmp_path, MINI)
    assert launched(plan, tmp_path / "runs", track=({"kind": "wandb", "mode": "online"},)).complete
    assert asked
    assert numbers(Store(tmp_path / "runs"), plan) == real


def test_killed_trainings_end_with_the_numbers_of_undisturbed_ones(
    tmp_path: Path, kills: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if kills is None:
        pytest.skip("kills real trainings only when asked to: pytest tests/faults --kills 200")
    text = MINI.replace("epochs: 2", "epochs: 12")
    (tmp_path / "undisturbed").mkdir()
    whole = ended(tmp_path / "undisturbed", text)
    draw, done, sweeps = random.Random(0), 0, 0
    began = time.monotonic()
    while done < max(1, kills // 20):
        sweeps += 1
        folder = tmp_path / f"killed-{sweeps}"
        folder.mkdir()
        plan, store = planned(folder, text), Store(folder / "runs")
        command = (sys.executable, str(HERE / "launch_real.py"), str(folder))
        while done < max(1, kills // 20):
            with subprocess.Popen(command) as launcher:
                steps = furthest(store)
                while furthest(store) == steps and launcher.poll() is None:
                    time.sleep(0.05)
                time.sleep(draw.uniform(0, 2))
                owners = [owner.pid for run in store.runs() if not run.finished and (owner := run.holder()) is not None]
                if launcher.poll() is not None:
                    break
                os.kill(draw.choice([launcher.pid, *owners, *owners]), signal.SIGKILL)
                launcher.kill()
                done += 1
        assert subprocess.run(command, check=False).returncode == 0
        assert numbers(store, plan) == whole
        for run in store.runs():
            assert [event["event"] for event in run.read_journal()].count("finish") == 1
    with capsys.disabled():
        print(f"\n{sweeps} sweeps of real trainings, {done} kills in {time.monotonic() - began:.0f} s")


def furthest(store: Store) -> int:
    """The steps of all runs together, as their journals say."""
    return sum(progress.step for run in store.runs() if (progress := run.progress()) is not None)
