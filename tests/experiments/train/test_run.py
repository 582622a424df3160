"""Whole runs, from a plan to results, on a handful of synthetic people."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from small_sweeps import CIRCLING, MINI
from torch import Tensor, nn

from distilpose.data.coco import load_pose_data
from distilpose.data.picture_store import store_size
from distilpose.data.skeleton import COCO
from distilpose.data.stream import Batch
from distilpose.losses.circulation import CirculationWeights
from distilpose.losses.criteria import HEATMAP_LOSSES, CirculationCriterion, LossCriterion, every_cycle
from distilpose.models import HeatmapOutput, build_model
from distilpose.training.checkpoint import load_checkpoint
from experiments.build import models as build
from experiments.build.data import data_facts, data_root, prepare
from experiments.launch.command import COMMAND
from experiments.launch.inline import InlineLauncher
from experiments.launch.records import LaunchSettings, Outcome
from experiments.launch.scheduler import launch_plan
from experiments.plan.plan import Plan, make_plan
from experiments.runs.job import FINISHED, PREEMPTED, Job
from experiments.runs.store import Store
from experiments.sweep.choices import MMPoseChoice
from experiments.sweep.recipe_json import run_recipe_from_json
from experiments.sweep.sweep_file import read_sweep
from experiments.track.replay import replay_sweep
from experiments.track.sent import is_noted
from experiments.track.tracker import Tracker
from experiments.track.wandb.tracker import Wandb
from experiments.train import run as run_module
from experiments.train.run import run_job
from experiments.trained.load import load_weights

WANDB_FILES = ({"kind": "wandb", "mode": "offline"},)


def planned(folder: Path, text: str = MINI, runs: Path | None = None) -> Plan:
    """The plan of a sweep given as text, its people drawn."""
    file = folder / "mini.yaml"
    file.write_text(text)
    sweep = read_sweep(file, source="mini.yaml").profile()
    runs = runs or folder / "runs"
    for row in sweep.rows:
        assert prepare(row.recipe.data, root=None, runs=runs) == ()
    return make_plan(sweep, lambda data, boxes: data_facts(data, boxes, root=None, runs=runs))


def launched(plan: Plan, runs: Path, **settings: Any) -> Outcome:
    """What comes of a launch in this process."""
    where = LaunchSettings(
        data_root=lambda data: data_root(data, root=None, runs=runs), backoff_seconds=0, poll_seconds=0.01, **settings
    )
    return launch_plan(plan, Store(runs), InlineLauncher(), where)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Store]:
    """A plan carried out, for tests that only look at it."""
    folder = tmp_path_factory.mktemp("done")
    plan = planned(folder)
    assert launched(plan, folder / "runs").complete
    return plan, Store(folder / "runs")


def test_every_run_has_a_result_with_its_provenance(done: tuple[Plan, Store]) -> None:
    plan, store = done
    for run_id, run in plan.runs.items():
        result = store.run(run_id).result()
        assert result is not None
        assert {"AP", "AR", "PCK@0.2"} <= result.metrics.keys()
        assert (result.epochs, result.steps) == (2, 4)
        origin = result.provenance
        assert origin["packages"]["torch"] == torch.__version__.partition("+")[0]
        assert origin["data_fingerprint"].keys() == {"train", "val"}
        assert origin["precision"] == "fp32"
        assert (store.run(run_id).weights).exists()
        assert run.role == "teacher" or result.cohort_size == 2


def test_a_run_says_how_its_errors_are_spread_and_what_its_model_costs(done: tuple[Plan, Store]) -> None:
    plan, store = done
    for run_id in plan.runs:
        run = store.run(run_id)
        diagnosis, cost, result = run.diagnosis.read(), run.cost.read(), run.result()
        assert diagnosis is not None
        assert cost is not None
        assert result is not None
        assert sum(diagnosis["calibration"]["people"]) == len(json.loads(run.predictions.read_text()))
        assert diagnosis["joints"]["names"] == list(COCO.names)
        assert cost["parameters"] == result.parameters
        assert cost["speed"]["fps"] > 0


def test_the_journal_tells_the_whole_story(done: tuple[Plan, Store]) -> None:
    plan, store = done
    row = next(row for row in plan.rows if row.name == "all")
    run = store.run(row.runs[0].run_id)
    events = [event["event"] for event in run.read_journal()]
    assert events[0] == "start"
    assert events[-1] == "finish"
    assert events.count("checkpoint") == 2
    trained = [metrics for metrics in run.metrics() if "train/loss" in metrics.values]
    validated = [metrics for metrics in run.metrics() if "val/AP" in metrics.values]
    assert [metrics.step for metrics in trained] == [2, 4]
    assert [metrics.step for metrics in validated] == [2, 4]
    assert {"train/loss_SH", "train/lr", "train/images_per_second"} <= trained[-1].values.keys()


def test_pictures_of_every_kind_are_drawn_at_every_validation(done: tuple[Plan, Store]) -> None:
    plan, store = done
    row = next(row for row in plan.rows if row.name == "all")
    run = store.run(row.runs[0].run_id)
    pictures = run.picture_rows()
    assert {(picture.kind, picture.step) for picture in pictures} == {
        (kind, step) for kind in ("attention", "heatmaps", "layers", "people") for step in (2, 4)
    }
    assert all((run.path / picture.path).stat().st_size > 1000 for picture in pictures)


def test_heads_have_the_outputs_that_the_row_trains(done: tuple[Plan, Store]) -> None:
    plan, store = done
    sizes = {
        row.name: build.load_weights(store.run(row.runs[0].run_id).weights)["head.linear.weight"] for row in plan.rows
    }
    assert (len(sizes["none"]), len(sizes["all"])) == (2, 5)


def test_the_weights_of_a_run_say_alone_what_they_are_of(done: tuple[Plan, Store], tmp_path: Path) -> None:
    plan, store = done
    for run_id, run in plan.runs.items():
        loaded = load_weights(str(store.run(run_id).weights), store=Store(tmp_path))
        assert loaded.description.model == run.recipe["model"]["model"]
        assert loaded.skeleton == COCO


def test_a_second_launch_does_nothing(done: tuple[Plan, Store]) -> None:
    plan, store = done
    before = {run_id: (store.run(run_id).path / "journal.jsonl").read_bytes() for run_id in plan.runs}
    assert launched(plan, store.root).complete
    assert before == {run_id: (store.run(run_id).path / "journal.jsonl").read_bytes() for run_id in plan.runs}


def test_a_preempted_job_goes_on_to_the_same_numbers(done: tuple[Plan, Store], tmp_path: Path) -> None:
    plan, undisturbed = done
    runs = tmp_path / "runs"
    assert planned(tmp_path).runs.keys() == plan.runs.keys()
    store = Store(runs)
    for run in plan.runs.values():
        store.run(run.run_id).write_spec(run.spec)
    for cohort in plan.cohorts:
        job = store.write_job(
            Job(
                cohort_id=cohort.cohort_id,
                run_ids=cohort.run_ids,
                sweep="mini",
                profile="default",
                data_root=data_root(run_recipe_from_json(run.recipe).data, root=None, runs=runs),
                device="cpu",
                threads=1,
                track=WANDB_FILES,
            ).to_json()
        )
        assert run_job(job, should_stop=lambda: True) == PREEMPTED
        assert store.run(cohort.run_ids[0]).state() == "interrupted"
        assert store.run(cohort.run_ids[0]).read_journal()[-1]["reason"] == "preempted"
        assert run_job(job) == FINISHED
        for run_id in cohort.run_ids:
            mine, theirs = store.run(run_id).result(), undisturbed.run(run_id).result()
            assert mine is not None
            assert theirs is not None
            assert mine.metrics == theirs.metrics
            assert mine.last == theirs.last
            # Each attempt tells W&B the whole story, so the newest of its folders holds every step and picture.
            assert is_noted(store.run(run_id).path, "wandb offline")


WAYS = "  optimizer: {name: sgd, momentum: 0.9, nesterov: true}\n  ema: 0.9\n  clip_grad_norm: 1\n"


def test_a_killed_run_with_an_average_of_its_own_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    """And these are the averaged ones, of the student as of its teacher."""
    text = MINI.replace("  evaluation: {}\n", "  evaluation: {}\n" + WAYS).replace("warmup_steps: 2", "decay: cosine")
    weights: list[dict[str, dict[str, Tensor]]] = []
    for cuts in (False, True):
        folder = tmp_path / str(cuts)
        folder.mkdir()
        plan, store = planned(folder, text), Store(folder / "runs")
        for run in plan.runs.values():
            store.run(run.run_id).write_spec(run.spec)
        for cohort in plan.cohorts:
            job = Job(
                cohort_id=cohort.cohort_id,
                run_ids=cohort.run_ids,
                sweep="mini",
                profile="default",
                data_root=data_root(
                    run_recipe_from_json(plan.runs[cohort.run_ids[0]].recipe).data, root=None, runs=store.root
                ),
                device="cpu",
                threads=1,
            )
            file = store.write_job(job.to_json())
            assert not cuts or run_job(file, should_stop=lambda: True) == PREEMPTED
            assert run_job(file) == FINISHED
        weights.append({run_id: build.load_weights(store.run(run_id).weights) for run_id in plan.runs})
        state = load_checkpoint(store.run(plan.teachers[0].run_id).checkpoints).state
        assert state is not None
        assert any(not torch.equal(tensor, state["model"][name]) for name, tensor in state["averaged"].items())
    for run_id, whole in weights[0].items():
        assert all(torch.equal(tensor, weights[1][run_id][name]) for name, tensor in whole.items())


def test_a_heatmap_model_learns_from_its_own_cycles_and_is_measured_by_the_first(tmp_path: Path) -> None:
    plan = planned(tmp_path, CIRCLING)
    store = Store(tmp_path / "runs")
    assert launched(plan, store.root).complete
    runs = {row.name: store.run(row.runs[0].run_id) for row in plan.rows}
    terms = {
        name: {
            metric.removeprefix("train/loss_")
            for row in run.metrics()
            for metric in row.values
            if metric.startswith("train/loss_")
        }
        for name, run in runs.items()
    }
    assert terms == {"alone": {"heatmap"}, "tokens": {"heatmap", "KT", "VT"}, "stopped": {"heatmap", "KT", "VT"}}
    assert {run.read_journal()[-1]["event"] for run in runs.values()} == {"finish"}
    assert {picture.kind for picture in runs["tokens"].picture_rows()} == {
        "attention",
        "heatmaps",
        "layers",
        "people",
    }
    weights = {name: build.load_weights(run.weights) for name, run in runs.items()}
    patches = [state["encoder.patch_embedding.weight"] for state in weights.values()]
    assert not any(torch.equal(a, b) for a, b in combinations(patches, 2))


def test_the_loss_of_circulation_is_every_cycles_heatmaps_and_what_neighbours_differ_by() -> None:
    model = build_model("sdpose_t", joints=3, input_size=(48, 64), width=4, dim=16, depth=1, heads=2)
    draw = torch.Generator().manual_seed(0)
    images, keypoints = torch.randn(2, 3, 64, 48, generator=draw), torch.rand(2, 3, 2, generator=draw)
    seen = torch.tensor([[1.0, 1, 0], [1, 1, 1]])
    batch = Batch(images, keypoints, seen, torch.arange(2), torch.zeros(2, 2), torch.ones(2, 2), seen)
    cycles = every_cycle(model, images)
    terms = CirculationCriterion(CirculationWeights(KT=2.0, VT=3.0))(cycles, batch)
    alone = [LossCriterion(HEATMAP_LOSSES)(cycle, batch)["heatmap"] for cycle in cycles]
    moved = [(a.keypoint_tokens - b.keypoint_tokens).square().mean() for a, b in pairwise(cycles)]
    seen_moved = [(a.visual_tokens - b.visual_tokens).square().mean() for a, b in pairwise(cycles)]
    assert len(cycles) == 3
    torch.testing.assert_close(terms, {"heatmap": sum(alone), "KT": 2 * sum(moved), "VT": 3 * sum(seen_moved)})
    torch.testing.assert_close(model(images).heatmaps, cycles[0].heatmaps)


def test_a_run_whose_loss_explodes_fails_alone_and_is_not_retried(tmp_path: Path) -> None:
    text = MINI.replace("- {row: all,", "- {row: huge, set: {losses: {VT: 1e38}}}\n  - {row: all,")
    plan = planned(tmp_path, text)
    outcome = launched(plan, tmp_path / "runs")
    huge = next(row for row in plan.rows if row.name == "huge").runs[0].run_id
    assert outcome.failed.keys() == {huge}
    assert "not finite" in outcome.failed[huge]
    assert len(outcome.finished) == len(plan.runs) - 1


def test_an_error_in_the_cohort_fails_its_runs_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the disk is on fire")

    monkeypatch.setattr("experiments.train.run.build_stream", broken)
    plan = planned(tmp_path)
    outcome = launched(plan, tmp_path / "runs", retries=1)
    teacher = plan.teachers[0].run_id
    assert "the disk is on fire" in outcome.failed[teacher]
    failure = Store(tmp_path / "runs").run(teacher).failure
    assert failure is not None
    assert failure.attempts == 2
    assert {run.run_id for row in plan.rows if row.name == "all" for run in row.runs} == outcome.blocked


class Still(nn.Module):
    """A teacher that says nothing."""

    def forward(self, images: torch.Tensor, *, attention: bool = False) -> HeatmapOutput:
        height, width = images.shape[-2:]
        return HeatmapOutput(images.new_zeros(len(images), 17, height // 4, width // 4))


def test_students_train_under_a_given_teacher_and_not_once_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int, tuple[int, int]]] = []

    def given(choice: MMPoseChoice, *, joints: Sequence[str], input_size: tuple[int, int]) -> nn.Module:
        asked.append((choice.config, len(joints), input_size))
        return Still()

    monkeypatch.setattr(run_module, "build_given_teacher", given)
    config, checkpoint = tmp_path / "config.py", tmp_path / "weights.pth"
    config.write_text("model = dict()")
    checkpoint.write_bytes(b"weights")
    files = f"{{mmpose: {{config: {config}, checkpoint: {checkpoint}}}}}"
    text = MINI.replace("{model: teacher_stemnet, width: 4, dim: 16, depth: 1, heads: 2}", files)
    text = text.replace("KT: 5e-4, VT: 5e-4, SH: 1", "SH: 1").replace("epochs: 2", "epochs: 1")
    plan = planned(tmp_path, text)
    assert launched(plan, tmp_path / "runs").complete
    assert asked == [(str(config), 17, (48, 64))]
    again = planned(tmp_path, text.replace("SH: 1, CS: 1e-2", "SH: 2, CS: 1e-2"))
    checkpoint.write_bytes(b"changed since")
    failed = launched(again, tmp_path / "runs", retries=0).failed
    assert any("was planned as mmpose-" in why for why in failed.values())


def test_out_of_memory_is_tried_again_with_fewer_people_at_once_and_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Greedy(LossCriterion):
        def forward(self, output: Any, batch: Batch, *rest: Any) -> dict[str, Tensor]:
            if len(batch.images) > 2 and self.losses != HEATMAP_LOSSES:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().forward(output, batch, *rest)

    monkeypatch.setattr(build, "LossCriterion", Greedy)
    plan = planned(tmp_path)
    assert launched(plan, tmp_path / "runs").complete
    store = Store(tmp_path / "runs")
    students = [store.run(run.run_id) for row in plan.rows for run in row.runs]
    for run in students:
        assert [event.get("micro_batch") for event in run.read_journal() if event["event"] == "start"] == [None, 4, 2]
        assert run.result().micro_batch == 2
        assert (
            "CUDA out of memory" in next(event for event in run.read_journal() if event["event"] == "stop")["message"]
        )
    assert store.run(plan.teachers[0].run_id).result().micro_batch is None


def test_a_full_disk_fails_runs_with_that_reason_and_a_later_launch_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    plan = planned(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("distilpose.training.cohort.save_checkpoint", full)
        outcome = launched(plan, tmp_path / "runs", retries=1)
    teacher = plan.teachers[0].run_id
    assert "No space left on device" in outcome.failed[teacher]
    assert "(disk, attempt 2)" in outcome.failed[teacher]
    assert launched(plan, tmp_path / "runs").complete


def test_pictures_kept_on_disk_change_no_number(done: tuple[Plan, Store], tmp_path: Path) -> None:
    plan, store = done
    cache = tmp_path / "cache"
    shutil.copytree(store.root / "data", tmp_path / "runs" / "data")
    assert launched(plan, tmp_path / "runs", cache=cache).complete
    for run_id in plan.runs:
        kept, plain = Store(tmp_path / "runs").run(run_id).result(), store.run(run_id).result()
        assert kept is not None
        assert plain is not None
        assert kept.metrics == plain.metrics
        assert kept.provenance["job"]["cache"] == str(cache)
    data = tmp_path / "runs" / "data"
    for split in ("train", "val"):
        people = load_pose_data(next(data.glob("synthetic-*")), split)
        size = store_size(people, cache)
        assert size.written == size.whole


def test_pictures_that_cannot_be_drawn_stop_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no ink")

    monkeypatch.setattr("experiments.train.recorder.write_pictures", broken)
    plan = planned(tmp_path)
    assert launched(plan, tmp_path / "runs").complete
    assert "no ink" in caplog.text


def test_training_goes_on_when_wandbs_service_is_killed_in_its_middle(
    done: tuple[Plan, Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    picture = Tracker.picture

    def killing(self: Tracker, *arguments: Any, **options: Any) -> None:
        Wandb().process.give_up()  # at every validation: of the teacher, then of the students
        picture(self, *arguments, **options)

    monkeypatch.setattr(Tracker, "picture", killing)
    plan = planned(tmp_path)
    store = Store(tmp_path / "runs")
    assert launched(plan, store.root, track=WANDB_FILES).complete
    for run_id in plan.runs:
        mine, theirs = store.run(run_id).result(), done[1].run(run_id).result()
        assert mine is not None
        assert theirs is not None
        assert mine.metrics == theirs.metrics
        assert not is_noted(store.run(run_id).path, "wandb offline")
        warned = rf"run {run_id}: wandb offline: (failed; the run goes on without it|does not start)"
        assert re.search(warned, caplog.text)
    monkeypatch.undo()
    told = replay_sweep(store, store.load_plan("mini", "default"), Wandb(mode="offline"))
    assert [run.what for run in told] == ["told"] * 3


def test_a_process_told_to_end_writes_its_checkpoint_and_says_so(tmp_path: Path) -> None:
    plan = planned(tmp_path, MINI.replace("epochs: 2", "epochs: 100000"))
    store = Store(tmp_path / "runs")
    teacher = plan.runs[plan.teachers[0].run_id]
    store.run(teacher.run_id).write_spec(teacher.spec)
    root = data_root(run_recipe_from_json(teacher.recipe).data, root=None, runs=store.root)
    job = Job(
        cohort_id="one",
        run_ids=(teacher.run_id,),
        sweep="mini",
        profile="default",
        data_root=root,
        device="cpu",
        threads=1,
        track=WANDB_FILES,
    )
    command = [*COMMAND, str(store.write_job(job.to_json()))]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ))
    deadline = time.monotonic() + 90
    while not any(event["event"] == "metrics" for event in store.run(teacher.run_id).read_journal()):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(timeout=60) == PREEMPTED
    events = store.run(teacher.run_id).read_journal()
    assert [event["event"] for event in events[-2:]] == ["checkpoint", "stop"]
    assert store.run(teacher.run_id).state() == "interrupted"
    assert is_noted(store.run(teacher.run_id).path, "wandb offline"), "W&B's files lack steps of the journal"
    assert json.loads((store.run(teacher.run_id).path / "run.json").read_text())["role"] == "teacher"
