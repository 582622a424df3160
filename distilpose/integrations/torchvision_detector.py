"""People found by torchvision's detectors, which come trained on COCO."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.error import URLError

import numpy as np
import torch
from torch import nn

from distilpose.prediction.boxes import Boxes, Frame

DETECTORS = ("fasterrcnn_resnet50_fpn_v2", "retinanet_resnet50_fpn_v2")
_PERSON = 1  # in COCO's numbering, which torchvision's detectors keep


class DetectorError(ValueError):
    """The detector cannot be had."""


@dataclass(frozen=True, slots=True)
class Detector:
    """A detector in evaluation mode, as a source of boxes: those of people, sure enough, best first."""

    module: nn.Module
    device: torch.device
    at_least: float

    @torch.inference_mode()
    def __call__(self, frame: Frame) -> Boxes:
        """Return the people that the detector sees."""
        image = torch.from_numpy(frame.image).permute(2, 0, 1).to(self.device).float() / 255
        found = {name: values.cpu().numpy() for name, values in self.module([image])[0].items()}
        chosen = np.flatnonzero((found["labels"] == _PERSON) & (found["scores"] >= self.at_least))
        chosen = chosen[np.argsort(-found["scores"][chosen], kind="stable")]
        corners = found["boxes"][chosen].astype(np.float64).reshape(-1, 4)
        sizes = corners[:, 2:] - corners[:, :2]
        there = (sizes > 0).all(-1)
        boxes = np.concatenate([corners[:, :2], sizes], -1)[there]
        return Boxes(boxes, found["scores"][chosen].astype(np.float64)[there])


def load_detector(
    name: str, *, device: torch.device, at_least: float, fetch: Callable[[Any], dict[str, Any]] | None = None
) -> Detector:
    """Return torchvision's detector of this name with its published weights.

    These are downloaded once into torch hub's cache, their checksum is compared, and they are read with
    `weights_only=True`.

    Args:
        name: one of `DETECTORS`.
        device: where it runs.
        at_least: the least score of a person.
        fetch: gets the state dict of one of torchvision's weights; by default from the cache or the network.

    Raises:
        DetectorError: there is no such detector, or its weights cannot be had.
    """
    if name not in DETECTORS:
        raise DetectorError(f"detector: must be one of {', '.join(DETECTORS)}, got {name!r}")
    from torchvision.models import get_model, get_model_weights

    weights = get_model_weights(name).DEFAULT
    try:
        state = (fetch or _published)(weights)
    except (OSError, URLError) as error:
        raise DetectorError(
            f"detector: the weights of {name} could not be downloaded from {weights.url} ({error}); go online once, or "
            f"put the file into {torch.hub.get_dir()}/checkpoints, or give boxes with --boxes"
        ) from error
    except RuntimeError as error:
        raise DetectorError(f"detector: the file from {weights.url} is not the published one: {error}") from error
    module = get_model(name, weights=None, weights_backbone=None)
    module.load_state_dict(state)
    return Detector(module.eval().to(device), device, at_least)


def _published(weights: Any) -> dict[str, Any]:
    state: dict[str, Any] = weights.get_state_dict(
        progress=False, check_hash=True, map_location="cpu", weights_only=True
    )
    return state
