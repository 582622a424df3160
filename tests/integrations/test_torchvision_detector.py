"""People by torchvision's detectors: real networks with random weights, and what is made of what they say."""

from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from distilpose.integrations.torchvision_detector import DETECTORS, Detector, DetectorError, load_detector
from distilpose.prediction.boxes import Frame

CPU = torch.device("cpu")
FRAME = Frame("a.png", 1, np.full((48, 64, 3), 200, np.uint8))


class Seeing(nn.Module):
    """Says what a detector of torchvision says, whatever it is shown."""

    def forward(self, images: list[Tensor]) -> list[dict[str, Tensor]]:
        assert images[0].shape == (3, 48, 64)
        assert float(images[0].max()) == pytest.approx(200 / 255)
        boxes = torch.tensor([[1.0, 2, 11, 22], [0, 0, 5, 5], [3, 3, 9, 9], [4, 4, 4, 9], [20, 20, 30, 40]])
        scores = torch.tensor([0.6, 0.99, 0.3, 0.9, 0.8])
        return [{"boxes": boxes, "labels": torch.tensor([1, 17, 1, 1, 1]), "scores": scores}]


def test_sure_people_are_given_as_boxes_the_surest_first() -> None:
    found = Detector(Seeing(), CPU, at_least=0.5)(FRAME)
    assert found.boxes.tolist() == [[20, 20, 10, 20], [1, 2, 10, 20]]
    np.testing.assert_allclose(found.scores, [0.8, 0.6])


@pytest.mark.parametrize("name", DETECTORS)
def test_the_published_weights_fit_the_network_that_is_built(name: str) -> None:
    from torchvision.models import get_model

    def fetch(weights: Any) -> dict[str, Any]:
        assert weights.url.endswith(".pth")
        torch.manual_seed(0)
        return get_model(
            name, weights=None, weights_backbone=None, num_classes=len(weights.meta["categories"])
        ).state_dict()

    detector = load_detector(name, device=CPU, at_least=0.0, fetch=fetch)
    detector.module.transform.min_size = (64,)
    found = detector(FRAME)
    assert found.boxes.shape == (len(found.scores), 4)
    assert not detector.module.training


def test_weights_that_cannot_be_had_are_said_with_the_remedies() -> None:
    def fetch(weights: Any) -> dict[str, Any]:
        raise URLError("no route to host")

    with pytest.raises(DetectorError, match=r"could not be downloaded from https://.*no route.*--boxes"):
        load_detector(DETECTORS[0], device=CPU, at_least=0.5, fetch=fetch)


def test_the_network_is_only_asked_for_weights_that_are_not_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", lambda *_: (_ for _ in ()).throw(URLError("offline")))
    with pytest.raises(DetectorError, match="offline"):
        load_detector(DETECTORS[0], device=CPU, at_least=0.5)


def test_an_unknown_detector_is_refused() -> None:
    with pytest.raises(DetectorError, match="must be one of fasterrcnn_resnet50_fpn_v2, retinanet_resnet50_fpn_v2"):
        load_detector("yolo", device=CPU, at_least=0.5)
