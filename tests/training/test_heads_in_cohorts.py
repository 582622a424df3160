"""A student with any head, on tokens or a backbone, trains the same alone, beside others and after a break."""

from pathlib import Path

import pytest
from test_cohort import SMALL, member, stop_after, train
from test_losses_with_parameters import parameters_of

from distilpose.heads import HEADS
from distilpose.losses.criteria import LossCriterion
from distilpose.losses.table import LOSSES, TRUTH_ASKS
from distilpose.losses.use import Losses
from distilpose.models import build_model, initialise
from distilpose.training.member import Member

RESNET = {"joints": 3, "input_size": (16, 16), "width": 4}  # TransPose-R's: two layers, stride 8
DETR = {"d_model": 8, "layers": 1, "nhead": 2, "dim_feedforward": 8}
OPTIONS = {"prtr": {**DETR, "queries": 6}, "transpose": DETR}


def learner(head: str, folder: Path, trunk: str) -> Member:
    """A run with this head and every loss that compares it with the truth alone."""
    known = {*HEADS[head].gives, *(TRUTH_ASKS if "heatmaps" in HEADS[head].gives else ("true_keypoints", "visible"))}
    losses = Losses.of({name: 1 for name, loss in LOSSES.items() if known.issuperset(loss.signature.asks)})
    plain = member("x", folder)
    sizes = SMALL if trunk == "distilpose_s" else RESNET | OPTIONS.get(head, {})
    model = build_model(trunk, head=head, **sizes, **losses.head_options(head))
    initialise(model, seed=0)
    return Member(
        name="x",
        model=model,
        criterion=LossCriterion(losses),
        schedule=plain.schedule,
        checkpoints=plain.checkpoints,
    )


@pytest.mark.parametrize(
    ("head", "trunk"),
    [(name, "distilpose_s") for name, head in HEADS.items() if head.on_tokens]
    + [(name, "transpose_r_a3") for name, head in HEADS.items() if head.on_features],
)
def test_it_trains_the_same_alone_in_a_cohort_and_resumed(head: str, trunk: str, tmp_path: Path) -> None:
    start = [tensor.clone() for tensor in parameters_of(learner(head, tmp_path / "start", trunk))]
    whole, beside = (learner(head, tmp_path / name, trunk) for name in ("whole", "beside"))
    train([whole])
    assert whole.failure is None
    trained = [bool((one != two).any()) for one, two in zip(start, parameters_of(whole), strict=True)]
    assert sum(trained) > len(trained) / 2
    train([member("y", tmp_path / "beside"), beside])
    train([learner(head, tmp_path / "cut", trunk)], should_stop=stop_after(3))
    resumed = learner(head, tmp_path / "cut", trunk)
    train([resumed])
    for run in (resumed, beside):
        assert all(bool((a == b).all()) for a, b in zip(parameters_of(run), parameters_of(whole), strict=True))
