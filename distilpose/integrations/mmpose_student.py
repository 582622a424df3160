"""A model of an mmpose configuration as a student or teacher that trains here, by our losses or by its own head's."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from distilpose.data.stream import Batch
from distilpose.heads.heatmap import HeatmapOutput
from distilpose.heads.regression import RegressionOutput
from distilpose.heads.simcc import SimCCOutput
from distilpose.integrations.mmpose import ChannelChanger, build_estimator, channel_change, import_mmpose, quietly
from distilpose.integrations.mmpose_configs import MMPoseConfigError, MMPoseMissingError
from distilpose.models.precision import without_autocast


class MMPoseStudent(nn.Module):
    """An mmpose estimator whose output is one of ours: heatmaps, coordinates, or SimCC's two lines a joint.

    Its head's own loss is the output's `learn`.
    """

    def __init__(self, estimator: Any, change: ChannelChanger, input_size: tuple[int, int]) -> None:
        super().__init__()
        self.estimator, self.change, self.input_size = estimator, change, input_size

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], *, attention: bool = False
    ) -> HeatmapOutput | RegressionOutput | SimCCOutput:
        """Return what the head says; it shows no attention."""
        features = self.estimator.extract_feat(self.change(images))
        said = self.estimator.head.forward(features)
        with without_autocast(images.device.type):
            said = tuple(one.float() for one in said) if isinstance(said, tuple) else said.float()

        def learn(batch: Batch) -> Tensor:
            return self._learn(features, said, batch)

        if isinstance(said, tuple):
            return SimCCOutput(said[0], said[1], learn=learn)
        if said.ndim == 4:
            return HeatmapOutput(said, learn=learn)
        if said.shape[-1] == 2:
            return RegressionOutput(said, learn=learn)
        # As mmpose's codec tells an RLE head's confidence.
        return RegressionOutput(said[..., :2], scores=1 - said[..., 2:4].sigmoid().mean(-1), learn=learn)

    def _learn(self, features: Any, said: Any, batch: Batch) -> Tensor:
        """What the head's own loss gives for what it said, its targets made by its own codec."""
        head = self.estimator.head
        head.forward = lambda _: said  # its loss asks it again, which batch normalisation would count twice
        try:
            with without_autocast(batch.keypoints.device.type):
                found = head.loss(features, self._samples(batch), train_cfg=self.estimator.train_cfg)
        finally:
            del head.forward
        losses = [value for name, value in found.items() if "loss" in name]
        return torch.stack([one.mean() for one in losses]).sum()

    def _samples(self, batch: Batch) -> list[Any]:
        """The people as mmpose's heads want them."""
        from mmengine.structures import InstanceData, PixelData
        from mmpose.structures import PoseDataSample

        codec = self.estimator.head.decoder
        # Heatmaps of every codec in our frame: column j of w is at j / w of the crop.
        size = torch.as_tensor(self.input_size).float()
        if hasattr(codec, "scale_factor"):
            size = torch.as_tensor(codec.heatmap_size) * torch.as_tensor(codec.scale_factor)
        device = batch.keypoints.device
        points = (batch.keypoints.detach().float().cpu() * size).numpy()
        labelled = batch.labelled.float().cpu().numpy()
        samples = []
        for person, seen in zip(points, labelled, strict=True):
            made = codec.encode(keypoints=person[None], keypoints_visible=seen[None])
            tensors = {name: torch.as_tensor(value).to(device) for name, value in made.items()}
            sample = PoseDataSample()
            fields = {name: tensors.pop(name) for name in ("heatmaps",) if name in tensors}
            if fields:
                sample.gt_fields = PixelData(**fields)
            sample.gt_instance_labels = InstanceData(**tensors)
            samples.append(sample)
        return samples


def build_student(config: Path, *, joints: int, input_size: tuple[int, int]) -> MMPoseStudent:
    """Return the top-down estimator of an mmpose 1.x configuration, as mmpose initialises it, for so many joints.

    A configuration is a program that mmengine runs. Pretrained weights that it names are left aside: it starts fresh,
    from the global generator.

    Raises:
        MMPoseMissingError: mmpose is not installed.
        MMPoseConfigError: it builds no estimator for these crops.

    """
    import_mmpose()
    from mmengine import Config
    from mmengine.logging import MMLogger

    log = MMLogger.get_current_instance()
    level = log.level
    log.setLevel("ERROR")  # or it tells how every weight starts
    try:
        with quietly():
            cfg = Config.fromfile(config)
            for name in ("out_channels", "num_joints"):
                if name in cfg.model.head:
                    cfg.model.head[name] = joints
            _leave_pretrained(cfg.model)
            estimator = build_estimator(cfg)
            estimator.init_weights()
    except MMPoseMissingError:
        raise
    except Exception as error:  # a configuration is a program
        raise MMPoseConfigError(f"{config.name}: failed as it was built: {type(error).__name__}: {error}") from error
    finally:
        log.setLevel(level)
    codec = getattr(estimator.head, "decoder", None)
    if codec is None:
        raise MMPoseConfigError(f"{config.name}: its head must have a decoder, by which it learns and is read")
    made_for = tuple(int(size) for size in codec.input_size)
    if made_for != tuple(input_size):
        got = " and ".join("{}x{}".format(*size) for size in (made_for, input_size))
        raise MMPoseConfigError(f"{config.name}: its codec must be for the recipe's input_size, got {got}")
    if getattr(codec, "use_dark", False):
        raise MMPoseConfigError(f"{config.name}: SimCC's use_dark is not decoded here; write use_dark=False")
    change = channel_change(cfg.model.get("data_preprocessor") or {})
    return MMPoseStudent(estimator, ChannelChanger(change), input_size)


def _leave_pretrained(part: Any) -> None:
    """Take every `init_cfg` of pretrained weights out of a configuration."""
    if isinstance(part, dict):
        inits = part.get("init_cfg")
        some = inits if isinstance(inits, list) else [inits]
        if any(isinstance(one, dict) and one.get("type") == "Pretrained" for one in some):
            del part["init_cfg"]
        for below in list(part.values()):
            _leave_pretrained(below)
    elif isinstance(part, list | tuple):
        for below in part:
            _leave_pretrained(below)
