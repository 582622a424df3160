"""From a run's recipe to what trains: data, models, losses, stream and the members of a cohort."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from distilpose.data.coco import PoseData, load_pose_data
from distilpose.data.skeleton import Skeleton
from distilpose.data.sources import ImageSource
from distilpose.data.stream import Batch, PeopleStream, eval_batches
from distilpose.evaluation.average_precision import KeypointTruth, split_truth
from distilpose.evaluation.evaluate import Evaluation, evaluate_many
from distilpose.evaluation.flip import FlipTest
from distilpose.evaluation.metrics import MetricUse
from distilpose.evaluation.protocol import Protocol
from distilpose.losses.circulation import CirculationWeights
from distilpose.losses.criteria import (
    HEATMAP_LOSSES,
    CirculationCriterion,
    LossCriterion,
    every_cycle,
    load_from,
)
from distilpose.models.builders import build_from_spec
from distilpose.models.description import Description
from distilpose.models.measure import Forward, plain_forward, with_attention
from distilpose.models.warm_start import load_imagenet, load_part
from distilpose.training.checkpoint import load_weights
from distilpose.training.cohort import Interrupted, Validate
from distilpose.training.member import Member
from experiments.runs.store import RunDir
from experiments.sweep.choices import OF_TEACHER, VALIDATION_CROPS, DataChoice, MMPoseChoice
from experiments.sweep.recipe import RunRecipe
from experiments.sweep.recipe_json import to_json


def load_splits(data: DataChoice, root: Path) -> tuple[PoseData, PoseData]:
    """The training and the validation split."""
    return load_pose_data(root, data.train, data.given), load_pose_data(root, data.val, data.given)


def build_stream(
    recipe: RunRecipe,
    train: PoseData,
    *,
    workers: int,
    source: ImageSource,
    device: str = "cpu",
    share: tuple[int, int] = (0, 1),
) -> PeopleStream:
    """The batches that every run of the recipe's cohort sees; of several processes, the `share` of one.

    For a card crops are left as they are: they are normalised there.
    """
    return PeopleStream(
        train,
        input_size=recipe.input_size,
        augmentation=recipe.augmentation,
        seed=recipe.seed,
        batch_size=recipe.schedule.batch_size,
        workers=workers,
        cache=source,
        drop_last=recipe.schedule.drop_last,
        share=share,
        cards=recipe.schedule.cards,
        raw=device.startswith("cuda"),
    )


def build_member(
    recipe: RunRecipe,
    run: RunDir,
    *,
    skeleton: Skeleton,
    parts: Path,
    teacher: nn.Module | None,
    start: RunDir | None = None,
    aside: Path | None = None,
) -> Member:
    """The run as the training loop wants it, at its start.

    `parts` is the folder of kept copies of users' own code, `start` the run whose trunk it begins with, `aside` the
    folder of the run's lease.

    Raises:
        WarmStartError: the weights of the teacher or the start do not fit, or ImageNet's are missing. A ValueError.
    """
    model = build_run_model(recipe, skeleton, parts)
    if start is not None:
        load_part(model, load_weights(start.weights), "trunk")
    elif recipe.model.init in OF_TEACHER:
        assert teacher is not None, f"run {run.run_id} starts from its teacher, but its cohort has none"
        load_part(model, teacher.state_dict(), recipe.model.init.removeprefix("teacher_"))
    elif recipe.model.init == "imagenet":
        load_imagenet(model)
    if recipe.model.train == "head":
        model.requires_grad_(False).get_submodule("head").requires_grad_(True)
    criterion = build_criterion(recipe, skeleton, parts)
    losses = criterion.losses if isinstance(criterion, CirculationCriterion) else criterion
    losses.materialise(model, teacher, recipe.input_size, skeleton.num_joints)
    return Member(
        name=run.run_id,
        model=model,
        criterion=criterion,
        schedule=recipe.schedule,
        checkpoints=run.checkpoints,
        aside=aside,
        needs_teacher=criterion.needs_teacher,
        needs_teacher_attention="teacher_attention" in losses.losses.asks,
        forward=forward_of(recipe),
        algorithm=recipe.optimizer,
        ema=recipe.ema,
        clip_grad_norm=recipe.clip_grad_norm,
    )


def forward_of(recipe: RunRecipe) -> Forward:
    """How a training step runs the model: all cycles where they learn, with its attention where a loss asks for it."""
    forward: Forward = plain_forward if recipe.circulation is None else every_cycle
    if recipe.losses is None or "attention" not in recipe.losses.asks:
        return forward
    return with_attention if recipe.circulation is None else partial(with_attention, all_cycles=True)


def build_run_model(recipe: RunRecipe, skeleton: Skeleton, parts: Path | None = None) -> nn.Module:
    """The recipe's model at its start; a student's head has the outputs that its losses train and no others.

    `parts` is the folder of kept copies of users' own code.
    """
    return build_from_spec(describe_run(recipe, skeleton).spec(), seed=recipe.seed, parts=parts, skeleton=skeleton)


def describe_run(recipe: RunRecipe, skeleton: Skeleton) -> Description:
    """What the run's weights say of their model."""
    use, given = recipe.model, {"joints": skeleton.num_joints, "input_size": recipe.input_size}
    outputs = {} if recipe.losses is None else use.spec().outputs(recipe.losses.asks)
    options = {**given, **outputs, **use.chosen}
    return Description(model=use.model, options=options, skeleton=skeleton, own=use.own_parts)


def load_trained(recipe: RunRecipe, run: RunDir, *, skeleton: Skeleton, parts: Path) -> nn.Module:
    """The model of a finished run with its best weights, in eval mode."""
    model = build_run_model(recipe, skeleton, parts)
    model.load_state_dict(load_weights(run.weights))
    return model.eval()


def build_given_teacher(choice: MMPoseChoice, *, joints: Sequence[str], input_size: tuple[int, int]) -> nn.Module:
    """The teacher that comes trained, in eval mode, its heatmaps in the order of `joints`.

    Raises:
        ValueError: the extra `mmpose` is not installed, or this model cannot teach these joints.
    """
    from distilpose.integrations.mmpose import build_teacher

    return build_teacher(choice.config, choice.checkpoint, joints=joints, input_size=input_size)


def build_validation(
    recipe: RunRecipe,
    val: PoseData,
    *,
    root: Path,
    workers: int,
    source: ImageSource,
    device: torch.device,
    precision_context: Callable[[], AbstractContextManager[Any]],
    should_stop: Callable[[], bool] = lambda: False,
    metrics: Sequence[MetricUse] = (),
    parts: Path | None = None,
    truth: KeypointTruth | None = None,
) -> Validate:
    """The function that evaluates models on the validation split, as the recipe says, by these `metrics` too.

    `truth` are the split's annotations, where they are at hand.

    It raises Interrupted when `should_stop`, asked at every batch, says so.
    """
    choice = recipe.evaluation
    flip_test = None
    if choice.flip_test:
        flip_test = FlipTest(coordinates=choice.flip_coordinates, scores=choice.flip_scores)
    truth = truth or split_truth(val)

    def people() -> Iterator[Batch]:
        return eval_batches(
            val, input_size=recipe.input_size, batch_size=VALIDATION_CROPS, workers=workers, cache=source
        )

    def go_on() -> None:
        if should_stop():
            raise Interrupted

    def validate(models: Mapping[str, nn.Module]) -> Mapping[str, Evaluation]:
        return evaluate_many(
            models,
            val,
            input_size=recipe.input_size,
            protocol=Protocol(flip_test=flip_test),
            boxes=None if choice.boxes == "gt" else root / choice.boxes,
            device=device,
            precision_context=precision_context,
            workers=workers,
            batches=people() if choice.boxes == "gt" else None,
            truth=truth,
            on_batch=go_on,
            metrics=(choice.best_by, *metrics),
            required=choice.best_by.title,
            parts=parts,
        )

    return validate


def build_criterion(recipe: RunRecipe, skeleton: Skeleton, parts: Path) -> LossCriterion | CirculationCriterion:
    """The loss that the recipe trains by; a user's own losses come from their kept copies in `parts`."""
    losses = LossCriterion(
        HEATMAP_LOSSES if recipe.losses is None else recipe.losses,
        epochs=recipe.schedule.epochs,
        skeleton=skeleton,
        seed=recipe.seed,
        load=load_from(parts),
    )
    if recipe.circulation is None:
        return losses
    weights = CirculationWeights(**to_json(recipe.circulation))
    return CirculationCriterion(weights, None if recipe.losses is None else losses)
