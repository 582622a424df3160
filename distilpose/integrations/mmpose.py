"""mmpose 1.x: its models of heatmaps or SimCC as teachers of ours, and its Runner, which trains ours by a plugin.

These two files alone import mmpose, this one only once something is asked of it: registering its modules takes seconds.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from distilpose.data.normalise import IMAGENET_MEAN, IMAGENET_STD
from distilpose.heads.heatmap import HeatmapOutput
from distilpose.heads.simcc import SimCCOutput
from distilpose.integrations.mmpose_configs import MMPoseMissingError, check_installed, config_file
from distilpose.integrations.mmpose_stand_ins import stand_ins
from distilpose.models.conversion import read_official
from distilpose.models.spec import STRIDE


class MMPoseTeacherError(ValueError):
    """This mmpose model cannot teach here."""


class _History:
    """Takes the place of mmengine's HistoryBuffer (numbers logged in training) when a checkpoint is read."""


def _nothing(*_: object) -> None:
    """Takes the place of `getattr`, by which such a buffer names its own functions: nothing is looked up."""


# What mmengine's Runner leaves in the notes of a checkpoint, besides weights and plain values.
_NOTES = [
    (_History, "mmengine.logging.history_buffer.HistoryBuffer"),
    (_nothing, "builtins.getattr"),
    (np.ones(1).__reduce__()[0], "numpy.core.multiarray._reconstruct"),
    (np.ones(1).__reduce__()[0], "numpy._core.multiarray._reconstruct"),
    np.ndarray,
    *(type(np.dtype(name)) for name in ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "float16", "str")),
]


@contextmanager
def quietly() -> Iterator[None]:
    """Within it warnings of a library that nobody here can put right are not shown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@cache
def import_mmpose() -> None:
    """Import mmpose with all its modules registered, once.

    Raises:
        MMPoseMissingError: it is not installed.

    """
    check_installed()
    with quietly(), stand_ins():
        from mmpose.utils import register_all_modules

        register_all_modules(init_default_scope=False)


@cache
def _import_mmpretrain() -> None:
    """Import mmpretrain's models, once: ViTPose's backbone is one of them.

    Raises:
        MMPoseMissingError: it is not installed.

    """
    if find_spec("mmpretrain") is None:
        raise MMPoseMissingError(
            "mmpretrain: is not installed, and a configuration that names `mmpretrain.` models, as ViTPose's do, needs "
            "it; get it with `uv sync --extra mmpose`, or `pip install --no-deps mmpretrain==1.2.0 einops`"
        )
    with quietly(), stand_ins():
        import mmpretrain.models  # noqa: F401


def build_estimator(cfg: Any) -> Any:
    """Return the model that a configuration describes, drawn from the global generator.

    Raises:
        MMPoseMissingError: it needs mmpretrain, which is not installed.

    """
    from mmengine import DefaultScope
    from mmpose.registry import MODELS

    if "mmpretrain." in str(cfg.model):
        _import_mmpretrain()
    with quietly(), DefaultScope.overwrite_default_scope("mmpose"):
        return MODELS.build(cfg.model)


class ChannelChange(NamedTuple):
    """What turns our pictures (red first, ImageNet's mean and deviation taken out) into those of another model."""

    scale: tuple[float, ...]
    shift: tuple[float, ...]
    flip: bool
    """Whether the model wants blue first."""

    @property
    def is_none(self) -> bool:
        """Whether there is nothing to change."""
        return not self.flip and np.allclose(self.scale, 1, atol=1e-4) and np.allclose(self.shift, 0, atol=1e-4)


def channel_change(preprocessor: Mapping[str, Any]) -> ChannelChange:
    """Return the change from our pictures to what mmpose's data preprocessor makes: its mean and std are of 0 to 255.

    mmpose reads pictures blue first, so a model sees them red first where its preprocessor turns them.
    """
    flip = not (preprocessor.get("bgr_to_rgb") or preprocessor.get("rgb_to_bgr"))  # mmengine turns them for either
    mean = np.asarray(preprocessor.get("mean") or (0.0, 0.0, 0.0)) / 255
    std = np.asarray(preprocessor.get("std") or (1.0, 1.0, 1.0)) / 255
    ours_mean, ours_std = np.asarray(IMAGENET_MEAN), np.asarray(IMAGENET_STD)
    if flip:
        ours_mean, ours_std = ours_mean[::-1], ours_std[::-1]
    return ChannelChange(tuple((ours_std / std).tolist()), tuple(((ours_mean - mean) / std).tolist()), flip)


class ChannelChanger(nn.Module):
    """Turns our pictures into those that another model was made for."""

    def __init__(self, change: ChannelChange) -> None:
        super().__init__()
        self.change = None if change.is_none else change
        self.register_buffer("scale", torch.tensor(change.scale)[:, None, None], persistent=False)
        self.register_buffer("shift", torch.tensor(change.shift)[:, None, None], persistent=False)

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
        """Return the pictures changed."""
        if self.change is None:
            return images
        turned = images.flip(1) if self.change.flip else images
        return turned * self.get_buffer("scale") + self.get_buffer("shift")


class MMPoseTeacher(nn.Module):
    """An mmpose estimator, frozen in eval mode, that returns heatmaps, or SimCC's lines, in the order of our joints."""

    def __init__(self, estimator: nn.Module, *, order: Sequence[int], change: ChannelChange) -> None:
        super().__init__()
        self.estimator, self.change = estimator, ChannelChanger(change)
        self.order = list(order)
        self.requires_grad_(False)
        self.eval()

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], *, attention: bool = False
    ) -> HeatmapOutput | SimCCOutput:
        """Return heatmaps at a quarter of the crop, and tokens where the estimator itself returns a HeatmapOutput; of
        an estimator of SimCC its logits.

        It shows no attention.

        Raises:
            ValueError: the heatmaps are not a quarter of the crop.

        """
        height, width = images.shape[-2:]
        output = self.estimator(self.change(images), None, mode="tensor")
        if _is_simcc(output):
            return SimCCOutput(*(bins[:, self.order] for bins in output))
        heatmaps = _heatmaps(output)
        if heatmaps.shape[-2:] != (height // STRIDE, width // STRIDE):
            got = "{}x{}".format(*reversed(heatmaps.shape[-2:]))
            raise MMPoseTeacherError(
                f"mmpose: heatmaps must be a quarter of the {width}x{height} crop, got {got}; choose another model or "
                "input_size"
            )
        heatmaps = heatmaps[:, self.order]
        if isinstance(output, HeatmapOutput):
            tokens = None if output.keypoint_tokens is None else output.keypoint_tokens[:, self.order]
            return HeatmapOutput(heatmaps, visual_tokens=output.visual_tokens, keypoint_tokens=tokens)
        return HeatmapOutput(heatmaps)


def _is_simcc(output: Any) -> bool:
    return isinstance(output, tuple) and len(output) == 2 and all(getattr(one, "ndim", 0) == 3 for one in output)


def _heatmaps(output: Any) -> Tensor:
    """The last heatmaps in what an estimator returns: those of the last stage, where it has several."""
    if isinstance(output, HeatmapOutput):
        return output.heatmaps
    if isinstance(output, Tensor) and output.ndim == 4:
        return output
    if isinstance(output, list | tuple):
        for part in reversed(output):
            try:
                return _heatmaps(part)
            except MMPoseTeacherError:
                continue
    raise MMPoseTeacherError(
        "mmpose: the model must return heatmaps [batch, joints, height, width] or SimCC's two lines a joint; choose a "
        "top-down estimator of these, not one of coordinates"
    )


def build_teacher(
    config: Path | str, checkpoint: Path | str, *, joints: Sequence[str], input_size: tuple[int, int]
) -> MMPoseTeacher:
    """Return the top-down heatmap estimator of an mmpose 1.x configuration with trained weights, as a teacher of ours.

    A configuration is a program that mmengine runs: use only those you trust. A checkpoint is read as data alone.

    Args:
        config: the configuration file, or `mmpose::` and the name of one that mmpose ships.
        checkpoint: its weights; of mmpose 0.x too, where mmpose itself knows the older names.
        joints: names of the joints wanted, in their order; the teacher's are found by name.
        input_size: (width, height) of the crops it will be given.

    Raises:
        MMPoseMissingError: mmpose is not installed.
        CheckpointFileError: the checkpoint is no file that can be read safely.
        MMPoseTeacherError: the configuration has no such estimator, the weights are another model's, or joints are
            missing.
    """
    import_mmpose()
    from mmengine import Config

    with quietly():
        cfg = Config.fromfile(config_file(config))
    if "model" not in cfg:
        raise MMPoseTeacherError(f"{config}: must be a configuration with a `model`, got none")
    names = teacher_joints(cfg)
    missing = [name for name in joints if name not in names]
    if missing:
        raise MMPoseTeacherError(
            f"{config}: every joint of the data must be one of the teacher's, missing {', '.join(missing)}; it has "
            f"{', '.join(names)}"
        )
    state = read_checkpoint(Path(checkpoint))
    with torch.random.fork_rng(devices=[]):
        estimator = build_estimator(cfg)
    _load(estimator, state, config, checkpoint)
    change = channel_change(cfg.model.get("data_preprocessor") or {})
    teacher = MMPoseTeacher(estimator, order=[names.index(name) for name in joints], change=change)
    with torch.no_grad(), quietly():
        output = estimator(torch.zeros(1, 3, input_size[1], input_size[0]), None, mode="tensor")
        maps = output[0] if _is_simcc(output) else _heatmaps(output)
        if maps.shape[1] != len(names):
            raise MMPoseTeacherError(
                f"{config}: must give one heatmap for each of its {len(names)} joints, got {maps.shape[1]}"
            )
        teacher(torch.zeros(1, 3, input_size[1], input_size[0]))
    return teacher


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Return the weights in a checkpoint of mmengine's Runner by name.

    mmengine itself would run the code in it: this reads it with `weights_only=True`, whatever else it notes.

    Raises:
        CheckpointFileError: it cannot be read safely.

    """
    return read_official(path, let_in=_NOTES)


def teacher_joints(cfg: Any) -> tuple[str, ...]:
    """Return the names of a configuration's joints, in the order of its heatmaps.

    Raises:
        MMPoseTeacherError: the configuration does not say.

    """
    from mmpose.datasets.datasets.utils import parse_pose_metainfo
    from mmpose.registry import DATASETS

    sources = [cfg.model.get("metainfo")]
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        dataset = (cfg.get(loader) or {}).get("dataset") or {}
        kind = DATASETS.get(dataset["type"]) if "type" in dataset else None
        sources += [dataset.get("metainfo"), getattr(kind, "METAINFO", None)]
    for source in sources:
        if source:
            with quietly():
                found = parse_pose_metainfo(dict(source))["keypoint_id2name"]
            return tuple(str(found[index]) for index in range(len(found)))
    raise MMPoseTeacherError(
        f"{cfg.filename}: must say what its joints are called, in `model.metainfo` or a dataloader's dataset"
    )


def _load(estimator: nn.Module, state: Mapping[str, Tensor], config: Path | str, checkpoint: Path | str) -> None:
    """Load every weight, under the names that older versions of mmpose gave them too."""
    try:
        found = estimator.load_state_dict(dict(state), strict=False)
    except RuntimeError as error:
        reason = "; ".join(line.strip() for line in str(error).splitlines()[1:3])
        raise MMPoseTeacherError(f"{checkpoint}: must hold the weights of {config}, but {reason}") from error
    for what, keys in (("lacks", found.missing_keys), ("also holds", found.unexpected_keys)):
        if keys:
            shown = ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
            raise MMPoseTeacherError(f"{checkpoint}: must hold the weights of {config}, but {what} {shown}")


def build_runner(config: Path | str, *, work_dir: Path | str) -> Any:
    """Return mmpose's own Runner for an mmpose configuration that may name our modules; its `train()` trains.

    The same as mmpose's tools/train.py, after an import of mmpose that works on a modern machine.

    Raises:
        MMPoseMissingError: mmpose is not installed.

    """
    import_mmpose()
    from mmengine import Config
    from mmengine.runner import Runner

    cfg = Config.fromfile(config_file(config))
    cfg.work_dir = str(work_dir)
    return Runner.from_cfg(cfg)
