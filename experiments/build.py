"""From a run's recipe to what trains: data, models, losses, stream and the members of a cohort."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from distilpose.data.coco import PoseData, load_pose_data
from distilpose.data.codecs import gaussian_heatmaps, heatmap_weights
from distilpose.data.skeleton import Skeleton
from distilpose.data.sources import ImageSource
from distilpose.data.stream import Batch, PeopleStream, eval_batches
from distilpose.data.transforms import Augmentation
from distilpose.evaluation.average_precision import read_truth
from distilpose.evaluation.evaluate import Evaluation, evaluate_many
from distilpose.evaluation.flip import FlipTest
from distilpose.evaluation.protocol import Protocol
from distilpose.heads.heatmap import HeatmapOutput
from distilpose.heads.regression import RegressionOutput
from distilpose.losses.circulation import CirculationWeights, circulation_loss
from distilpose.losses.heatmap import heatmap_loss
from distilpose.losses.total import LossWeights, student_loss
from distilpose.models import build_model, initialise
from distilpose.models.description import Description
from distilpose.models.warm_start import load_backbone, load_imagenet
from distilpose.training.checkpoint import load_weights
from distilpose.training.cohort import Interrupted, Validate
from distilpose.training.member import Criterion, Member, plain_forward
from distilpose.training.schedule import Schedule
from experiments.recipe import (
    VALIDATION_CROPS,
    CirculationChoice,
    DataChoice,
    LossChoice,
    MMPoseChoice,
    RunRecipe,
    ScheduleChoice,
    to_json,
)
from experiments.store import RunDir

WEIGHTS = "weights.safetensors"


def load_splits(data: DataChoice, root: Path) -> tuple[PoseData, PoseData]:
    """The training and the validation split."""
    return load_pose_data(root, data.train), load_pose_data(root, data.val)


def build_stream(
    recipe: RunRecipe, train: PoseData, *, workers: int, source: ImageSource, share: tuple[int, int] = (0, 1)
) -> PeopleStream:
    """The batches that every run of the recipe's cohort sees; of several processes, the `share` of one."""
    choice = recipe.augmentation
    augmentation = Augmentation(
        flip=choice.flip,
        half_body_p=choice.half_body,
        half_body_joints=choice.half_body_joints,
        scale=choice.scale,
        rotation=choice.rotation,
        rotation_p=choice.rotation_p,
        shift=choice.shift,
        shift_p=1.0 if choice.shift else 0.0,
    )
    return PeopleStream(
        train,
        input_size=recipe.input_size,
        augmentation=augmentation,
        seed=recipe.seed,
        batch_size=recipe.schedule.batch_size,
        workers=workers,
        cache=source,
        share=share,
    )


def build_member(
    recipe: RunRecipe, run: RunDir, *, joints: int, teacher: nn.Module | None, aside: Path | None = None
) -> Member:
    """The run as the training loop wants it, at its start; `aside` is the folder of its lease.

    Raises:
        WarmStartError: a ValueError, when the teacher's backbone does not fit, or ImageNet's weights cannot be had.
    """
    model = build_run_model(recipe, joints)
    initialise(model, recipe.seed)
    if recipe.model.init == "teacher_backbone":
        assert teacher is not None, f"run {run.run_id} starts from its teacher, but its cohort has none"
        load_backbone(model, teacher.state_dict())
    elif recipe.model.init == "imagenet":
        load_imagenet(model)
    return Member(
        name=run.run_id,
        model=model,
        criterion=build_criterion(recipe),
        schedule=build_schedule(recipe.schedule),
        checkpoints=run.checkpoints,
        aside=aside,
        needs_teacher=recipe.losses is not None and recipe.losses.needs_teacher,
        forward=plain_forward if recipe.circulation is None else every_cycle,
    )


def build_run_model(recipe: RunRecipe, joints: int) -> nn.Module:
    """The recipe's model; a student's head has the outputs that its losses train and no others."""
    return build_model(recipe.model.model, **run_options(recipe, joints))


def run_options(recipe: RunRecipe, joints: int) -> dict[str, Any]:
    """The options of `build_model` that the recipe chooses."""
    losses = recipe.losses
    outputs = {} if losses is None else {"score": losses.score, "sigma": losses.sigma}
    return {"joints": joints, "input_size": recipe.input_size, **outputs, **recipe.model.chosen}


def describe_run(recipe: RunRecipe, skeleton: Skeleton) -> Description:
    """What the run's weights say of their model."""
    return Description(model=recipe.model.model, options=run_options(recipe, skeleton.num_joints), skeleton=skeleton)


def load_trained(recipe: RunRecipe, run: RunDir, *, joints: int) -> nn.Module:
    """The model of a finished run with its best weights, in eval mode."""
    model = build_run_model(recipe, joints)
    model.load_state_dict(load_weights(run.checkpoints / WEIGHTS))
    return model.eval()


def build_given_teacher(choice: MMPoseChoice, *, joints: Sequence[str], input_size: tuple[int, int]) -> nn.Module:
    """The teacher that comes trained, in eval mode, its heatmaps in the order of `joints`.

    Raises:
        ValueError: the extra `mmpose` is not installed, or this model cannot teach these joints.
    """
    from distilpose.integrations.mmpose import build_teacher

    return build_teacher(choice.config, choice.checkpoint, joints=joints, input_size=input_size)


def build_schedule(choice: ScheduleChoice) -> Schedule:
    """The learning rate and length that the recipe chose."""
    values = to_json(choice)
    values.pop("batch_size")
    return Schedule(**{**values, "milestones": tuple(values["milestones"])})


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
) -> Validate:
    """The function that evaluates models on the validation split, as the recipe says.

    It raises Interrupted when `should_stop`, asked at every batch, says so.
    """
    choice = recipe.evaluation
    flip_test = None
    if choice.flip_test:
        flip_test = FlipTest(coordinates=choice.flip_coordinates, scores=choice.flip_scores)
    truth = read_truth(val.annotation_file, val.skeleton.sigmas)

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
        )

    return validate


def build_criterion(recipe: RunRecipe) -> Criterion:
    """The loss that the recipe's method trains by."""
    if recipe.losses is not None:
        return student_criterion(recipe.losses)
    if recipe.circulation is not None:
        return circulation_criterion(recipe.circulation)
    return heatmap_criterion


def student_criterion(losses: LossChoice) -> Criterion:
    """The student's loss with the recipe's weights."""
    weights = LossWeights(**to_json(losses))

    def criterion(output: RegressionOutput, batch: Batch, teacher: HeatmapOutput | None) -> dict[str, Tensor]:
        return student_loss(output, batch.keypoints, batch.visible, teacher, weights)

    return criterion


def heatmap_criterion(output: HeatmapOutput, batch: Batch, teacher: HeatmapOutput | None) -> dict[str, Tensor]:
    """A teacher's loss: the distance to unbiased Gaussians at the joints."""
    target, weights = _true_heatmaps(batch, output)
    return {"heatmap": heatmap_loss(output.heatmaps, target, weights)}


def circulation_criterion(choice: CirculationChoice) -> Criterion:
    """SDPose's loss over every cycle's output, with the recipe's weights; no teacher has a part in it."""
    counts = CirculationWeights(**to_json(choice))

    def criterion(output: list[HeatmapOutput], batch: Batch, teacher: HeatmapOutput | None) -> dict[str, Tensor]:
        target, weights = _true_heatmaps(batch, output[0])
        return circulation_loss(output, target, weights, counts)

    return criterion


def every_cycle(model: nn.Module, images: Tensor) -> list[HeatmapOutput]:
    """The outputs of all cycles of a model that in use runs its first alone."""
    outputs: list[HeatmapOutput] = model(images, all_cycles=True)
    return outputs


def _true_heatmaps(batch: Batch, output: HeatmapOutput) -> tuple[Tensor, Tensor]:
    """Unbiased Gaussians at the joints, of the output's size, and the joints' weights."""
    height, width = output.heatmaps.shape[-2:]
    weights = heatmap_weights(batch.keypoints, batch.labelled, (width, height))
    return gaussian_heatmaps(batch.keypoints, weights, (width, height)), weights
