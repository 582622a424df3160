"""The training loop, on students and a teacher so small that every test takes a moment."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from distilpose.data.stream import Batch
from distilpose.evaluation.evaluate import Evaluation
from distilpose.losses.circulation import CirculationWeights
from distilpose.losses.criteria import CirculationCriterion, LossCriterion
from distilpose.losses.use import Losses
from distilpose.models import HeatmapOutput, build_model, initialise
from distilpose.models.measure import with_attention
from distilpose.training.cohort import Interrupted, Listener, Validate, train_cohort
from distilpose.training.member import Member
from distilpose.training.optimizers import SGD, AdamW
from distilpose.training.schedule import Schedule
from distilpose.whole_files import FencedError

SMALL = {"joints": 3, "input_size": (16, 16), "width": 4, "dim": 8, "depth": 1, "heads": 2, "patch": (2, 2)}
ALL = Losses.of({"reg": 1, "KT": 5e-4, "VT": 5e-4, "SH": 1, "CS": 1e-2})
NONE = Losses.of({"reg": 1})


class Stream:
    """Random pictures and joints, a function of (epoch, step) as the real stream is."""

    steps_per_epoch = 3

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        for step in range(start_step, self.steps_per_epoch):
            draw = torch.Generator().manual_seed(1000 * epoch + step)
            yield Batch(
                images=torch.randn(4, 3, 16, 16, generator=draw),
                keypoints=torch.rand(4, 3, 2, generator=draw),
                visible=torch.ones(4, 3),
                index=torch.arange(4),
                center=torch.zeros(4, 2),
                scale=torch.ones(4, 2),
                labelled=torch.ones(4, 3),
            )


class Witness(Listener):
    """Writes down everything that the loop says."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, int]] = []
        self.values: dict[str, list[dict[str, float]]] = {}
        self.damaged: dict[str, int] = {}

    def restored(self, member: Member, damaged: Sequence[Path]) -> None:
        self.said.append(("restored", member.name, member.step))
        self.damaged[member.name] = len(damaged)

    def metrics(self, member: Member, epoch: int, values: dict[str, float]) -> None:
        self.values.setdefault(member.name, []).append({"epoch": epoch, "step": member.step, **values})

    def validated(self, member: Member, epoch: int, evaluation: Evaluation, *, is_best: bool) -> None:
        self.said.append(("best" if is_best else "validated", member.name, epoch))

    def checkpointing(self, member: Member) -> None:
        pass

    def left(self, member: Member) -> None:
        self.said.append(("left", member.name, member.step))

    def checkpointed(self, member: Member) -> None:
        self.said.append(("checkpointed", member.name, member.step))

    def ended(self, member: Member, epoch: int) -> None:
        self.said.append(("ended", member.name, epoch))

    def failed(self, member: Member) -> None:
        self.said.append(("failed", member.name, member.step))

    def finished(self, member: Member) -> None:
        self.said.append(("finished", member.name, member.step))


def member(
    name: str,
    folder: Path,
    losses: Losses = ALL,
    *,
    epochs: int = 2,
    lr: float = 1e-2,
    backbone_lr_mult: float = 1.0,
    **training: Any,
) -> Member:
    model = build_model("distilpose_s", **SMALL, **losses.head_options("regression"))
    initialise(model, seed=0)
    return Member(
        name=name,
        model=model,
        criterion=LossCriterion(losses, epochs=epochs),
        schedule=Schedule(
            epochs=epochs, batch_size=4, lr=lr, backbone_lr_mult=backbone_lr_mult, warmup_steps=2, eval_every=1
        ),
        checkpoints=folder / name,
        needs_teacher=losses.needs_teacher,
        **training,
    )


def validate(models: Mapping[str, nn.Module]) -> dict[str, Evaluation]:
    """An AP that falls with the size of the weights, so that the first validation is the best."""
    return {
        name: Evaluation(
            metrics={"AP": 1 / sum(float(p.detach().abs().sum()) for p in model.parameters())},
            results=[],
            keypoints=np.zeros((0, 3, 3), np.float32),
        )
        for name, model in models.items()
    }


def train(
    members: list[Member],
    *,
    should_stop: Callable[[], bool] = lambda: False,
    should_end: Callable[[Member], bool] = lambda member: False,
    stopped: Callable[[], Sequence[str]] = tuple,
    checkpoint_seconds: float = 1e9,
    precision: Literal["32-true", "bf16-mixed"] = "32-true",
    witness: Witness | None = None,
    micro_batch: int | None = None,
    validate: Validate = validate,
    fabric: Fabric | None = None,
) -> tuple[bool, Witness]:
    teacher = build_model("teacher_stemnet", **SMALL)
    witness = witness or Witness()
    done = train_cohort(
        members,
        stream=Stream(),
        validate=validate,
        listener=witness,
        fabric=fabric or Fabric(accelerator="cpu", devices=1, precision=precision),
        teacher=teacher,
        log_every=2,
        should_stop=should_stop,
        should_end=should_end,
        stopped=stopped,
        checkpoint_seconds=checkpoint_seconds,
        micro_batch=micro_batch,
    )
    return done, witness


def stop_after(steps: int) -> Callable[[], bool]:
    left = [steps]

    def should_stop() -> bool:
        left[0] -= 1
        return left[0] <= 0

    return should_stop


def weights_of(run: Member) -> list[Tensor]:
    return [tensor.clone() for model in (run.model, run.evaluated) for tensor in model.state_dict().values()]


def same(first: Member, second: Member) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights_of(first), weights_of(second), strict=True))


WAYS: list[dict[str, Any]] = [
    {},
    {"algorithm": AdamW(weight_decay=0.1), "ema": 0.9, "clip_grad_norm": 0.1},
    {"algorithm": SGD(momentum=0.9, nesterov=True), "lr": 1e-3, "backbone_lr_mult": 0.1},
]


def test_a_run_gives_the_same_numbers_beside_one_that_learns_attention(tmp_path: Path) -> None:
    alone, together = member("x", tmp_path / "a"), member("x", tmp_path / "b")
    looks = Losses.of({"reg": 1, "AM": 1})
    other = member("y", tmp_path / "b", looks, needs_teacher_attention=True, forward=with_attention)
    train([alone])
    train([other, together])
    assert same(alone, together)
    assert other.failure is None


@pytest.mark.parametrize("way", WAYS)
def test_a_run_gives_the_same_numbers_alone_as_in_a_cohort(tmp_path: Path, way: dict[str, Any]) -> None:
    alone, together = member("x", tmp_path / "a", **way), member("x", tmp_path / "b", **way)
    other = member("y", tmp_path / "b", NONE)
    train([alone])
    train([other, together])
    assert same(alone, together)
    assert alone.last == together.last
    assert not torch.equal(
        alone.model.state_dict()["backbone.conv1.weight"], other.model.state_dict()["backbone.conv1.weight"]
    )


@pytest.mark.parametrize(
    ("steps", "way"), [*((steps, {}) for steps in (1, 2, 3, 4, 5)), (1, WAYS[1]), (4, WAYS[1]), (4, WAYS[2])]
)
def test_a_resumed_run_ends_as_an_uninterrupted_one(tmp_path: Path, steps: int, way: dict[str, Any]) -> None:
    whole = member("x", tmp_path / "whole", **way)
    _, told = train([whole])
    done, told_before = train([member("x", tmp_path / "cut", **way)], should_stop=stop_after(steps))
    assert not done
    resumed = member("x", tmp_path / "cut", **way)
    done, told_after = train([resumed])
    assert done
    assert same(whole, resumed)
    assert (whole.best, whole.best_epoch, whole.last) == (resumed.best, resumed.best_epoch, resumed.last)

    def losses(witnesses: list[Witness]) -> dict[float, float]:
        rows = [row for witness in witnesses for row in witness.values.get("x", [])]
        return {row["step"]: row["train/loss"] for row in rows if "train/loss" in row}

    assert losses([told_before, told_after]) == losses([told])


def test_the_averaged_weights_are_those_that_are_measured(tmp_path: Path) -> None:
    """By hand: every weight and statistic, step by step, with a decay that rises to its own."""
    seen: list[dict[str, Tensor]] = []
    run = member("x", tmp_path, ema=0.3, clip_grad_norm=1e9)

    def watch() -> bool:
        seen.append({name: tensor.clone() for name, tensor in run.model.state_dict().items()})
        return False

    measured: list[nn.Module] = []

    def measure(models: Mapping[str, nn.Module]) -> dict[str, Evaluation]:
        measured.extend(models.values())
        return validate(models)

    start = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    train([run], should_stop=watch, validate=measure)
    expected = start
    for step, state in enumerate(seen, 1):
        decay = min(0.3, (1 + step) / (10 + step))
        expected = {name: decay * expected[name] + (1 - decay) * state[name] for name in state}
    assert len(seen) == 6
    assert set(measured) == {run.averaged}
    for name, tensor in run.evaluated.state_dict().items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, expected[name], rtol=1e-5, atol=1e-7)
        else:
            assert torch.equal(tensor, seen[-1][name])
    plain = member("x", tmp_path / "plain")
    train([plain])
    assert all(torch.equal(a, b) for a, b in zip(run.model.parameters(), plain.model.parameters(), strict=True))


def test_the_backbone_moves_by_its_share_of_the_rate(tmp_path: Path) -> None:
    def steps(share: float) -> dict[str, Tensor]:
        run = member("x", tmp_path / str(share), algorithm=SGD(), backbone_lr_mult=share)
        before = {name: tensor.detach().clone() for name, tensor in run.model.named_parameters()}
        train([run], should_stop=stop_after(1))
        return {name: tensor.detach() - before[name] for name, tensor in run.model.named_parameters()}

    moved = steps(0.1)
    for name, move in steps(1.0).items():
        share = 0.1 if name.startswith("backbone.") else 1.0
        torch.testing.assert_close(moved[name], share * move, rtol=1e-3, atol=1e-7)


def test_gradients_above_the_norm_are_scaled_down_to_it(tmp_path: Path) -> None:
    def steps(clip: float | None) -> tuple[Member, Witness, list[Tensor]]:
        run = member("x", tmp_path / str(clip), algorithm=SGD(), lr=0.1, clip_grad_norm=clip)
        before = [tensor.detach().clone() for tensor in run.model.parameters()]
        _, told = train([run], should_stop=stop_after(1))
        return run, told, [a - b for a, b in zip(run.model.parameters(), before, strict=True)]

    _, _, free = steps(None)
    _, _, clipped = steps(0.01)
    norm = torch.nn.utils.get_total_norm(free) / torch.nn.utils.get_total_norm(clipped)
    assert norm > 2
    torch.testing.assert_close([move * norm for move in clipped], free, rtol=1e-3, atol=1e-6)
    rate = 0.1 * (1 - 1 * (1 - 1e-3))
    assert float(torch.nn.utils.get_total_norm(clipped)) == pytest.approx(0.01 * rate, rel=1e-3)


def test_runs_that_stopped_at_different_steps_go_on_together(tmp_path: Path) -> None:
    whole = [member("x", tmp_path / "whole"), member("y", tmp_path / "whole", NONE)]
    train(whole)
    train([member("x", tmp_path / "cut")], should_stop=stop_after(4))
    train([member("y", tmp_path / "cut", NONE)], should_stop=stop_after(2))
    resumed = [member("x", tmp_path / "cut"), member("y", tmp_path / "cut", NONE)]
    done, witness = train(resumed)
    assert done
    assert ("restored", "x", 4) in witness.said
    assert ("restored", "y", 2) in witness.said
    assert all(same(a, b) for a, b in zip(whole, resumed, strict=True))


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    first = member("x", tmp_path)
    train([first])
    again = member("x", tmp_path)
    done, witness = train([again])
    assert done
    assert witness.said == [("restored", "x", 6), ("finished", "x", 6)]
    assert same(first, again)


def test_a_run_whose_gradients_go_bad_stops_and_leaves_its_cohort_going(tmp_path: Path) -> None:
    sick, sound = member("sick", tmp_path), member("sound", tmp_path)
    healthy = sick.criterion

    def criterion(output: object, batch: Batch, teacher: object, epoch: float) -> dict[str, Tensor]:
        terms = healthy(output, batch, teacher)  # type: ignore[arg-type]
        return {name: term * (float("nan") if sick.step >= 3 else 1) for name, term in terms.items()}

    sick.criterion = criterion
    done, witness = train([sick, sound])
    assert done
    assert sick.failure is not None
    assert "not finite at step 4" in sick.failure
    assert [event for event in witness.said if event[0] == "failed"] == [("failed", "sick", 4)]
    assert ("finished", "sound", 6) in witness.said
    alone = member("sound", tmp_path / "alone")
    train([alone])
    assert same(alone, sound)


def test_the_epoch_with_the_best_metric_is_kept(tmp_path: Path) -> None:
    run = member("x", tmp_path, epochs=3)
    _, witness = train([run])
    kinds = [kind for kind, _, _ in witness.said if kind in ("best", "validated")]
    assert kinds[0] == "best"
    values = [row["val/AP"] for row in witness.values["x"] if "val/AP" in row]
    assert run.best["AP"] == max(values)
    assert run.best_epoch == values.index(max(values)) + 1
    assert run.last["AP"] == values[-1]


def test_metrics_carry_every_term_the_rate_and_the_speed(tmp_path: Path) -> None:
    _, witness = train([member("x", tmp_path)])
    row = witness.values["x"][0]
    terms = {f"train/loss_{name}" for name in ("reg", "KT", "VT", "SH", "CS")}
    assert terms | {"train/loss", "train/lr", "train/grad_norm", "train/images_per_second"} <= row.keys()
    assert row["train/loss"] == pytest.approx(sum(row[name] for name in terms), rel=1e-5)


def test_checkpoints_are_written_as_time_passes(tmp_path: Path) -> None:
    _, witness = train([member("x", tmp_path, epochs=1)], checkpoint_seconds=0)
    assert [step for kind, _, step in witness.said if kind == "checkpointed"] == [1, 2, 3, 3]


def test_a_student_that_distils_needs_a_teacher(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="distil a teacher"):
        train_cohort(
            [member("x", tmp_path)],
            stream=Stream(),
            validate=validate,
            listener=Witness(),
            fabric=Fabric(accelerator="cpu", devices=1),
        )


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_member_trains_by_its_own_forward_and_validates_by_the_plain_one(tmp_path: Path, precision: str) -> None:
    model = build_model("sdpose_t", **SMALL, cycles=2)
    seen: list[tuple[type, int, torch.dtype]] = []

    def every_cycle(wrapped: nn.Module, images: Tensor) -> list[HeatmapOutput]:
        assert wrapped is not model
        outputs: list[HeatmapOutput] = wrapped(images, all_cycles=True)
        return outputs

    def criterion(output: list[HeatmapOutput], batch: Batch, teacher: object, epoch: float) -> dict[str, Tensor]:
        seen.append((type(output), len(output), output[1].heatmaps.dtype))
        return CirculationCriterion(CirculationWeights(KT=1, VT=1))(output, batch)

    def evaluated(models: Mapping[str, nn.Module]) -> dict[str, Evaluation]:
        assert all(isinstance(one(torch.zeros(1, 3, 16, 16)), HeatmapOutput) for one in models.values())
        return validate(models)

    run = Member(
        name="x",
        model=model,
        criterion=criterion,
        schedule=Schedule(epochs=1, batch_size=4, warmup_steps=0, milestones=(), eval_every=1),
        checkpoints=tmp_path,
        forward=every_cycle,
    )
    witness = Witness()
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)
    assert train_cohort([run], stream=Stream(), validate=evaluated, listener=witness, fabric=fabric)
    assert seen == [(list, 2, torch.float32)] * 3
    assert {"train/loss_heatmap", "train/loss_KT", "train/loss_VT"} <= witness.values["x"][0].keys()


def test_the_teacher_is_left_as_it_was(tmp_path: Path) -> None:
    teacher = build_model("teacher_stemnet", **SMALL)
    before = [tensor.clone() for tensor in teacher.state_dict().values()]
    train_cohort(
        [member("x", tmp_path)],
        stream=Stream(),
        validate=validate,
        listener=Witness(),
        fabric=Fabric(accelerator="cpu", devices=1),
        teacher=teacher,
    )
    assert all(torch.equal(a, b) for a, b in zip(before, teacher.state_dict().values(), strict=True))
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


def test_bf16_changes_the_arithmetic_and_keeps_the_weights_in_fp32(tmp_path: Path) -> None:
    exact, mixed = member("x", tmp_path / "fp32"), member("x", tmp_path / "bf16")
    _, told = train([exact])
    _, told_mixed = train([mixed], precision="bf16-mixed")
    assert {parameter.dtype for parameter in mixed.model.parameters()} == {torch.float32}
    assert not same(exact, mixed)
    first, first_mixed = told.values["x"][0]["train/loss"], told_mixed.values["x"][0]["train/loss"]
    assert first_mixed == pytest.approx(first, rel=0.05)


def test_the_seconds_of_a_cohort_add_up_to_those_of_its_process(tmp_path: Path) -> None:
    members = [member("x", tmp_path), member("y", tmp_path, NONE)]
    began = time.perf_counter()
    train(members)
    passed = time.perf_counter() - began
    assert all(run.seconds > 0 for run in members)
    assert members[0].seconds + members[1].seconds <= passed
    assert all(run.cpu_seconds > 0 for run in members)


class TakenOver(Witness):
    """A listener that learns at a step that another process has one of the runs."""

    def __init__(self, name: str, at: str) -> None:
        super().__init__()
        self.name, self.at = name, at

    def checkpointing(self, member: Member) -> None:
        self._tell(member, "checkpointing")

    def restored(self, member: Member, damaged: Sequence[Path]) -> None:
        self._tell(member, "restored")

    def metrics(self, member: Member, epoch: int, values: dict[str, float]) -> None:
        self._tell(member, "metrics")

    def finished(self, member: Member) -> None:
        self._tell(member, "finished")
        super().finished(member)

    def _tell(self, member: Member, what: str) -> None:
        if (member.name, what) == (self.name, self.at):
            raise FencedError("another has it")


@pytest.mark.parametrize("at", ["restored", "metrics", "checkpointing", "finished"])
def test_a_run_that_another_process_took_leaves_and_its_cohort_goes_on(tmp_path: Path, at: str) -> None:
    lost, kept = member("lost", tmp_path), member("kept", tmp_path)
    done, witness = train([lost, kept], witness=TakenOver("lost", at))
    assert done
    assert [event[:2] for event in witness.said if event[1] == "lost"][-1] == ("left", "lost")
    assert ("finished", "kept", 6) in witness.said
    alone = member("kept", tmp_path / "alone")
    train([alone])
    assert same(alone, kept)


def test_a_run_whose_folder_to_write_in_is_taken_away_writes_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "aside").mkdir()
    fenced, sound = member("fenced", tmp_path), member("sound", tmp_path)
    fenced.aside = tmp_path / "aside"

    def stolen() -> bool:
        (tmp_path / "aside").rename(tmp_path / "gone")
        return True

    done, witness = train([fenced, sound], should_stop=stolen)
    assert not done
    assert [event[:2] for event in witness.said if event[1] == "fenced"] == [("restored", "fenced"), ("left", "fenced")]
    assert not list((tmp_path / "fenced").iterdir())
    assert len(list((tmp_path / "sound").iterdir())) == 1


def test_a_damaged_checkpoint_is_told_and_removed_and_the_one_before_gone_on_from(tmp_path: Path) -> None:
    whole = member("x", tmp_path / "whole")
    train([whole])
    train([member("x", tmp_path / "cut")], should_stop=stop_after(3), checkpoint_seconds=0)
    newest = max((tmp_path / "cut" / "x").iterdir())
    newest.write_bytes(newest.read_bytes()[:-9])
    resumed = member("x", tmp_path / "cut")
    _, witness = train([resumed])
    assert witness.said[0] == ("restored", "x", 2)
    assert witness.damaged == {"x": 1}
    assert not newest.exists()
    assert same(whole, resumed)


def test_a_validation_asked_to_stop_is_done_again_later(tmp_path: Path) -> None:
    def interrupted(models: Mapping[str, nn.Module]) -> dict[str, Evaluation]:
        raise Interrupted

    run = member("x", tmp_path / "cut", epochs=1)
    done, witness = train([run], validate=interrupted)
    assert not done
    assert witness.said == [("restored", "x", 0), ("checkpointed", "x", 3)]
    resumed, whole = member("x", tmp_path / "cut", epochs=1), member("x", tmp_path / "whole", epochs=1)
    train([resumed])
    train([whole])
    assert (resumed.last, resumed.step) == (whole.last, 3)


def freeze_statistics(run: Member) -> None:
    """Let batch normalisation use its stored statistics, whatever mode the model is put in."""
    for module in run.model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
            module.train = lambda mode=True, module=module: module  # type: ignore[method-assign, misc]


@pytest.mark.parametrize("micro_batch", [1, 2, 3, 4, 7])
def test_a_smaller_micro_batch_gives_the_numbers_of_the_whole_batch(tmp_path: Path, micro_batch: int) -> None:
    whole, parts = member("x", tmp_path / "whole"), member("x", tmp_path / "parts")
    for run in (whole, parts):
        freeze_statistics(run)
        run.optimizer = torch.optim.SGD([{"params": run.model.parameters(), "share": 1.0}], lr=1e-2)
    _, told = train([whole])
    _, told_in_parts = train([parts], micro_batch=micro_batch)
    for first, second in zip(weights_of(whole), weights_of(parts), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-6)
    for row, other in zip(told.values["x"], told_in_parts.values["x"], strict=True):
        assert row.keys() == other.keys()
        for name in row.keys() - {"train/images_per_second"}:
            assert row[name] == pytest.approx(other[name], rel=1e-3), name


def test_a_micro_batch_changes_what_batch_normalisation_sees(tmp_path: Path) -> None:
    whole, parts = member("x", tmp_path / "whole"), member("x", tmp_path / "parts")
    train([whole])
    train([parts], micro_batch=2)
    assert not same(whole, parts)


def test_a_micro_batch_of_nobody_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="micro_batch: must be at least 1"):
        train([member("x", tmp_path)], micro_batch=0)


def test_a_member_that_is_ended_leaves_its_checkpoint_and_the_others_go_on(tmp_path: Path) -> None:
    hopeless, other, whole = member("hopeless", tmp_path), member("other", tmp_path), member("hopeless", tmp_path / "w")
    asked: list[tuple[str, int]] = []

    def should_end(run: Member) -> bool:
        asked.append((run.name, run.step))
        return run.name == "hopeless"

    done, witness = train([hopeless, other], should_end=should_end)
    assert done
    # After its last validation nobody is asked.
    assert asked == [("hopeless", 3), ("other", 3)]
    assert [said for said in witness.said if said[0] in ("ended", "finished")] == [
        ("ended", "hopeless", 1),
        ("finished", "other", 6),
    ]
    again = member("hopeless", tmp_path)
    train([again])
    train([whole])
    assert same(again, whole)


def test_a_stopped_member_leaves_its_checkpoint_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    ended, other, whole = member("ended", tmp_path), member("other", tmp_path), member("ended", tmp_path / "whole")
    done, witness = train([ended, other], stopped=lambda: ["ended"] if ended.step == 2 else [])
    assert done
    assert [said for said in witness.said if said[0] in ("ended", "finished")] == [
        ("ended", "ended", 0),
        ("finished", "other", 6),
    ]
    again = member("ended", tmp_path)
    train([again])
    train([whole])
    assert same(again, whole)
