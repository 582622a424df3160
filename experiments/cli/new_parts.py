"""What `distilpose new` writes: a part of one's own and its test, by kind."""

LOSS = '''"""{name}: a loss of mine. Name it in a sweep: losses: {{reg: 1, "{name}.py:{name}": 0.5}}."""

from torch import Tensor
from torch.nn import functional as F


def {name}(keypoints: Tensor, true_keypoints: Tensor, visible: Tensor, norm: str = "l1") -> Tensor:
    """Return the distance of predicted and true coordinates, (x, y) in [0, 1] of the crop; invisible joints count as 0.

    What it gets follows from the names of its parameters (see docs/extending.md); `norm` is an option.
    """
    seen = visible[..., None]
    distance = F.l1_loss if norm == "l1" else F.mse_loss
    return distance(keypoints * seen, true_keypoints * seen)
'''
LOSS_TEST = '''"""The contract of {name}, and a case by hand."""

from pathlib import Path

import torch

from distilpose.losses.contract import check_loss
from distilpose.losses.criteria import load_from
from distilpose.losses.use import Losses
from distilpose.parts.reference import find_part
from {name} import {name}

HERE = Path(__file__).parent


def test_it_keeps_its_contract(tmp_path: Path) -> None:
    (use,) = Losses.of({{"{name}.py:{name}": 1}}, HERE)
    find_part(use.name, HERE).keep_in(tmp_path / use.own.code)
    assert [finding for finding in check_loss(use, load_from(tmp_path)) if finding.fault] == []


def test_a_case_by_hand() -> None:
    found, true = torch.tensor([[[0.5, 0.5], [0.9, 0.9]]]), torch.tensor([[[0.25, 0.5], [0.0, 0.0]]])
    assert float({name}(found, true, torch.tensor([[1.0, 0.0]]))) == 0.25 / 4
'''
METRIC = '''"""{name}: a metric of mine. Name it in a sweep: metric: "{name}.py:{name}"."""

import numpy as np


def {name}(keypoints, true_keypoints, visible, boxes, threshold: float = 0.5) -> float:
    """Return the per cent of visible joints found within `threshold` times the root of the box's area.

    What it gets follows from the names of its parameters (see docs/extending.md), as NumPy arrays, in image pixels;
    `threshold` is an option. The value is shown as it is returned.
    """
    sizes = np.sqrt(boxes[:, 2] * boxes[:, 3])
    distances = np.linalg.norm(keypoints - true_keypoints, axis=-1)
    return 100 * float((distances <= threshold * sizes[:, None])[visible > 0].mean())


{name}.higher_is_better = True
'''
METRIC_TEST = '''"""The contract of {name}, and a case by hand."""

from pathlib import Path

import numpy as np

from distilpose.evaluation.metric_contract import check_metric
from distilpose.evaluation.metrics import metric_of
from distilpose.parts.reference import find_part
from {name} import {name}

HERE = Path(__file__).parent


def test_it_keeps_its_contract(tmp_path: Path) -> None:
    use = metric_of("{name}.py:{name}", HERE)
    find_part(use.name, HERE).keep_in(tmp_path / use.own.code)
    assert [finding for finding in check_metric(use, tmp_path) if finding.fault] == []


def test_a_case_by_hand() -> None:
    found, true = np.array([[[3.0, 4.0], [0.0, 20.0], [90.0, 90.0]]]), np.zeros((1, 3, 2))
    assert {name}(found, true, np.array([[1, 1, 0]]), np.array([[0.0, 0.0, 10.0, 10.0]])) == 50
'''
MODEL = '''"""{name}: a model of mine. Name it in a sweep: student: {{model: "{name}.py:{name}", width: 16}}."""

from torch import Tensor, nn
from torch.nn import functional as F

from distilpose.models import RegressionOutput


class {name}(nn.Module):
    """Strided convolutions and a map to coordinates, with scores and sigmas where a loss trains them.

    Without `gives` it is a backbone: `forward` returns features [batch, channels, rows, columns] for one of our heads.
    """

    gives = ("keypoints", "scores", "sigmas")

    def __init__(self, joints: int, score: bool, sigma: bool, *, width: int = 16) -> None:
        super().__init__()
        self.joints, self.score, self.sigma = joints, score, sigma
        sizes = (3, width, 2 * width, 4 * width)
        layers = [nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b)) for a, b in zip(sizes, sizes[1:])]
        self.features = nn.Sequential(*layers, nn.ReLU(), nn.AdaptiveAvgPool2d((4, 3)), nn.Flatten())
        self.head = nn.Linear(12 * sizes[-1], joints * (2 + score + 2 * sigma))

    def forward(self, images: Tensor) -> RegressionOutput:
        """Return coordinates in [0, 1] of the crop, raw scores, and sigmas in pixels of a heatmap."""
        numbers = self.head(self.features(images)).unflatten(1, (self.joints, -1))
        return RegressionOutput(
            keypoints=numbers[..., :2].sigmoid(),
            scores=numbers[..., 2] if self.score else None,
            sigmas=F.softplus(numbers[..., -2:]) if self.sigma else None,
        )
'''
HEAD = '''"""{name}: a head of mine. Name it in a sweep: student: {{model: distilpose_s, head: "{name}.py:{name}"}}."""

from torch import Tensor, nn

from distilpose.models import RegressionOutput


class {name}(nn.Module):
    """Each keypoint token to its coordinates; asking for `channels` instead of `dim` it would read features."""

    gives = ("keypoints", "scores")

    def __init__(self, dim: int, score: bool, *, hidden: int = 64) -> None:
        super().__init__()
        self.score = score
        self.layers = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, 2 + score))

    def forward(self, tokens: Tensor) -> RegressionOutput:
        """Return coordinates in [0, 1] of the crop, and raw scores where a loss trains them."""
        numbers = self.layers(tokens)
        return RegressionOutput(numbers[..., :2].sigmoid(), numbers[..., 2] if self.score else None)
'''
TEST = '''"""The contract of {name}."""

from pathlib import Path

from distilpose.models.contract import check_part


def test_it_keeps_its_contract() -> None:
    findings = check_part("{name}.py:{name}", Path(__file__).parent, "KIND")
    assert [finding for finding in findings if finding.fault] == []
'''
TEMPLATES = {
    "metric": (METRIC, METRIC_TEST),
    "loss": (LOSS, LOSS_TEST),
    "model": (MODEL, TEST.replace("KIND", "model")),
    "head": (HEAD, TEST.replace("KIND", "head")),
}
