"""What `distilpose check` holds a user's own model or head to."""

from pathlib import Path

import pytest

from distilpose.models.contract import check_part

WHOLE = """\
import torch
from torch import nn
from distilpose.models import RegressionOutput

class Mine(nn.Module):
    gives = ("keypoints",)

    def __init__(self, joints, width: int = 4):
        super().__init__()
        self.joints = joints
        self.layers = nn.Sequential(nn.Conv2d(3, width, 3, 4), nn.BatchNorm2d(width), nn.AdaptiveAvgPool2d(2))
        self.last = nn.Linear(4 * width, 2 * joints)

    def forward(self, images):
        features = self.layers(images).flatten(1)
        return RegressionOutput(self.last(features).sigmoid().unflatten(1, (self.joints, 2)))
"""
TRUNK = """\
from torch import nn

def trunk(width: int = 4):
    return nn.Sequential(nn.Conv2d(3, width, 3, 4), nn.ReLU())
"""
HEADS = """\
from torch import nn
from distilpose.models import RegressionOutput

class Tokens(nn.Module):
    gives = "keypoints"

    def __init__(self, dim):
        super().__init__()
        self.last = nn.Linear(dim, 2)

    def forward(self, tokens):
        return RegressionOutput(self.last(tokens).sigmoid())

class Features(nn.Module):
    gives = "keypoints"

    def __init__(self, channels, joints):
        super().__init__()
        self.last = nn.Linear(channels, 2 * joints)

    def forward(self, features):
        return RegressionOutput(self.last(features.mean((2, 3))).sigmoid().unflatten(1, (-1, 2)))
"""


def faults(folder: Path, text: str, name: str, kind: str) -> dict[str, str]:
    (folder / "mine.py").write_text(text)
    return {one.promise: one.fault for one in check_part(f"mine.py:{name}", folder, kind) if one.fault is not None}


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [(WHOLE, "Mine", "model"), (TRUNK, "trunk", "model"), (HEADS, "Tokens", "head"), (HEADS, "Features", "head")],
)
def test_one_that_keeps_its_promises_passes(tmp_path: Path, text: str, name: str, kind: str) -> None:
    assert faults(tmp_path, text, name, kind) == {}


@pytest.mark.parametrize(
    ("old", "new", "promise", "said"),
    [
        (
            "nn.BatchNorm2d(width)",
            "nn.BatchNorm2d(width, track_running_stats=False)",
            "alone and in a batch",
            "differ by",
        ),
        (
            "self.last = ",
            "self.idle = nn.Linear(2, 2)\n        self.last = ",
            "reach every parameter",
            "idle.weight has none",
        ),
        (".sigmoid()", ".sigmoid().log().sub(1e39)", "finite points", "some are not finite"),
        (
            "self.joints = joints",
            "self.joints = joints\n        import random\n        width = random.randint(4, 99)",
            "starts the same",
            "",
        ),
        ("features = ", "images.mul_(2)\n        features = ", "finite points", "changed what it was given"),
    ],
)
def test_one_that_breaks_a_promise_is_told_which(tmp_path: Path, old: str, new: str, promise: str, said: str) -> None:
    assert old in WHOLE
    found = faults(tmp_path, WHOLE.replace(old, new), "Mine", "model")
    assert any(promise in name and said in fault for name, fault in found.items()), found
