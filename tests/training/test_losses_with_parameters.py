"""A loss with parameters of its own: trained and resumed with its run, the same in a cohort, no part of the model."""

from collections.abc import Mapping
from pathlib import Path

import torch
from test_cohort import SMALL, member, stop_after, train
from torch import Tensor, nn

from distilpose.data.stream import Batch
from distilpose.heads.heatmap import HeatmapOutput
from distilpose.training.member import Member


class Adapted(nn.Module):
    """KT through a linear map, which starts the same each time."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(SMALL["dim"], SMALL["dim"])
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.map.reset_parameters()

    def forward(self, output: object, batch: Batch, teacher: HeatmapOutput, epoch: float) -> Mapping[str, Tensor]:
        return {"KT": (self.map(output.keypoint_tokens) - teacher.keypoint_tokens).square().mean()}


def adapted(folder: Path) -> Member:
    """A run that learns by it."""
    plain = member("x", folder)
    return Member(
        name="x",
        model=plain.model,
        criterion=Adapted(),
        schedule=plain.schedule,
        checkpoints=plain.checkpoints,
        needs_teacher=True,
    )


def parameters_of(run: Member) -> list[Tensor]:
    return [*run.model.state_dict().values(), *run.criterion.state_dict().values()]


def test_they_are_trained_and_resumed_with_the_run_and_the_same_in_a_cohort(tmp_path: Path) -> None:
    start = Adapted().map.weight.detach().clone()
    whole = adapted(tmp_path / "whole")
    train([whole])
    assert not torch.equal(whole.criterion.map.weight, start)
    done, _ = train([adapted(tmp_path / "cut")], should_stop=stop_after(3))
    assert not done
    resumed, beside = adapted(tmp_path / "cut"), adapted(tmp_path / "beside")
    train([resumed])
    train([member("y", tmp_path / "beside"), beside])
    for run in (resumed, beside):
        assert all(map(torch.equal, parameters_of(run), parameters_of(whole)))


def test_they_are_no_part_of_the_model(tmp_path: Path) -> None:
    run = adapted(tmp_path)
    assert not any(name.startswith("map") for name in run.model.state_dict())
    assert any(parameter is run.criterion.map.weight for parameter in run.trainable)
