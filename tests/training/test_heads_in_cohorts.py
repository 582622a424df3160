"""A student with any head on tokens trains the same alone, beside others and after a break; its losses too."""

from pathlib import Path

import pytest
from test_cohort import SMALL, member, stop_after, train
from test_losses_with_parameters import parameters_of

from distilpose.heads import HEADS
from distilpose.losses.criteria import LossCriterion
from distilpose.losses.table import LOSSES, TRUTH_ASKS
from distilpose.losses.use import Losses
from distilpose.models import build_model
from distilpose.training.member import Member


def learner(head: str, folder: Path) -> Member:
    """A run with this head and every loss that compares it with the truth alone."""
    known = {*HEADS[head].gives, *(TRUTH_ASKS if "heatmaps" in HEADS[head].gives else ("true_keypoints", "visible"))}
    losses = Losses.of({name: 1 for name, loss in LOSSES.items() if known.issuperset(loss.signature.asks)})
    plain = member("x", folder)
    return Member(
        name="x",
        model=build_model("distilpose_s", head=head, **SMALL, **losses.head_options(head)),
        criterion=LossCriterion(losses),
        schedule=plain.schedule,
        checkpoints=plain.checkpoints,
    )


@pytest.mark.parametrize("head", [name for name, head in HEADS.items() if head.on_tokens])
def test_it_trains_the_same_alone_in_a_cohort_and_resumed(head: str, tmp_path: Path) -> None:
    start = [tensor.clone() for tensor in parameters_of(learner(head, tmp_path / "start"))]
    whole, beside = learner(head, tmp_path / "whole"), learner(head, tmp_path / "beside")
    train([whole])
    assert whole.failure is None
    trained = [bool((one != two).any()) for one, two in zip(start, parameters_of(whole), strict=True)]
    assert sum(trained) > len(trained) / 2
    train([member("y", tmp_path / "beside"), beside])
    train([learner(head, tmp_path / "cut")], should_stop=stop_after(3))
    resumed = learner(head, tmp_path / "cut")
    train([resumed])
    for run in (resumed, beside):
        assert all(bool((a == b).all()) for a, b in zip(parameters_of(run), parameters_of(whole), strict=True))
