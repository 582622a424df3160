"""Our metrics keep the contract, and each promise that a user's breaks is named."""

from pathlib import Path

import pytest

from distilpose.evaluation.metric_contract import check_metric
from distilpose.evaluation.metrics import METRICS, metric_of
from distilpose.parts.reference import find_part

START = "import numpy as np\ndef own(keypoints, true_keypoints, visible):\n    distances = np.linalg.norm("
END = "\nown.higher_is_better = False\n"


def faults(folder: Path, body: str, end: str = END) -> list[str]:
    (folder / "own.py").write_text(START + body + end)
    use = metric_of("own.py:own", folder)
    assert use.own is not None
    find_part(use.name, folder).keep_in(folder / "parts" / use.own.code)
    return [finding.promise.partition(",")[0] for finding in check_metric(use, folder / "parts") if finding.fault]


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_of_ours_keeps_the_contract(name: str) -> None:
    assert [finding for finding in check_metric(metric_of(name)) if finding.fault] == []


@pytest.mark.parametrize(
    ("body", "end", "broken"),
    [
        ("keypoints - true_keypoints, axis=-1)\n    return distances[visible > 0].mean()", END, []),
        (
            "keypoints - true_keypoints, axis=-1)\n    return distances[visible > 0].mean()",
            END.replace("False", "True"),
            ["gives perfect predictions the best value"],
        ),
        ("keypoints - true_keypoints, axis=-1)\n    return distances.mean()", END, ["does not count invisible joints"]),
        (
            "keypoints - true_keypoints, axis=-1)\n    return distances[0][visible[0] > 0].mean()",
            END,
            ["does not depend on the order of people"],
        ),
        (
            "keypoints - true_keypoints, axis=-1)\n    return distances[visible > 0].mean() + np.random.rand()",
            END,
            [
                "does not depend on the order of people",
                "does not count invisible joints",
                "gives the same number again",
            ],
        ),
    ],
)
def test_a_broken_promise_is_named(tmp_path: Path, body: str, end: str, broken: list[str]) -> None:
    assert faults(tmp_path, body, end) == broken


def test_a_metric_that_raises_or_is_no_number_is_told_at_every_promise(tmp_path: Path) -> None:
    assert len(faults(tmp_path, "keypoints, axis=-1)\n    raise KeyError('x')")) == 5
    assert len(faults(tmp_path, "keypoints, axis=-1)\n    return float('inf')")) == 5
