"""Batch normalisation over parts of a batch, against one `nn.BatchNorm2d` a part: what as many cards compute."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from test_cohort import SMALL, Stream, Witness, member, stop_after, validate
from torch import nn

from distilpose.data.stream import Batch
from distilpose.models import build_model, initialise
from distilpose.training.batch_norm import GhostBatchNorm2d, split_batch_norm
from distilpose.training.cohort import train_cohort
from distilpose.training.member import Member


def drawn(people: int = 6) -> torch.Tensor:
    draw = torch.Generator().manual_seed(0)
    return (torch.randn(people, 3, 4, 5, generator=draw) * 3 + 1).to(memory_format=torch.channels_last)


def norm() -> nn.Sequential:
    model = nn.Sequential(nn.BatchNorm2d(3))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([1.0, -2.0, 0.5]))
        model[0].bias.copy_(torch.tensor([0.1, 0.2, 0.3]))
        model[0].running_mean.fill_(0.7)
    return model


@pytest.mark.parametrize("cards", [1, 2, 3, 6])
def test_each_card_normalises_by_its_own_people_as_do_its_gradients(cards: int) -> None:
    model = norm()
    alone = [copy.deepcopy(model) for _ in range(cards)]
    split_batch_norm(model, cards)
    whole, parts = drawn().requires_grad_(), drawn().requires_grad_()
    output = model(whole)
    output.square().mul(torch.arange(6.0)[:, None, None, None]).sum().backward()
    for card, own in enumerate(alone):
        expected = own(parts[card::cards])
        torch.testing.assert_close(output[card::cards], expected)
        expected.square().mul(torch.arange(6.0)[card::cards, None, None, None]).sum().backward()
    torch.testing.assert_close(whole.grad, parts.grad)
    for name in ("weight", "bias"):
        total = torch.stack([getattr(own[0], name).grad for own in alone]).sum(0)
        torch.testing.assert_close(getattr(model[0], name).grad, total)
    # evaluated is the first card's
    for name, value in alone[0].state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value)


def test_in_use_it_is_the_ordinary_batch_normalisation() -> None:
    model = norm().eval()
    expected = model(drawn())
    split_batch_norm(model, 2)
    assert not model[0].training
    torch.testing.assert_close(model(drawn()), expected)


def test_people_that_have_no_equal_parts_have_fewer() -> None:
    model, plain = norm(), norm()
    split_batch_norm(model, 4)
    torch.testing.assert_close(model(drawn(5)), plain(drawn(5)))


def of_cards(cards: int, folder: Path) -> Member:
    one = member(f"of{cards}", folder)
    one.schedule = replace(one.schedule, cards=cards)
    return one


class Short(Stream):
    """Epochs whose last batch has half the people."""

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        for step, batch in enumerate(super().epoch(epoch, start_step), start_step):
            yield Batch(*(part[:2] for part in batch)) if step == self.steps_per_epoch - 1 else batch


def trained(
    one: Member, *, micro_batch: int | None = None, should_stop: Callable[[], bool] = lambda: False
) -> dict[str, torch.Tensor]:
    """The weights after a training in which the last batch of each epoch is smaller."""
    teacher = build_model("teacher_stemnet", **SMALL)
    initialise(teacher, seed=1)
    train_cohort(
        [one],
        stream=Short(),
        validate=validate,
        listener=Witness(),
        fabric=Fabric(accelerator="cpu", devices=1, precision="32-true"),
        teacher=teacher,
        micro_batch=micro_batch,
        should_stop=should_stop,
    )
    return one.model.state_dict()


def groups(one: Member) -> set[int]:
    return {norm.groups for norm in one.model.modules() if isinstance(norm, GhostBatchNorm2d)}


def test_a_schedule_of_several_cards_trains_to_other_weights_of_the_same_names(tmp_path: Path) -> None:
    together, apart = trained(of_cards(1, tmp_path)), trained(of_cards(2, tmp_path))
    assert together.keys() == apart.keys()
    assert any(not torch.equal(together[name], apart[name]) for name in together)


@pytest.mark.parametrize(("cards", "micro_batch", "parts"), [(4, None, 4), (4, 2, 2), (4, 1, 1), (2, 2, 1)])
def test_fewer_people_at_once_are_still_as_many_as_a_card_has(
    tmp_path: Path, cards: int, micro_batch: int | None, parts: int
) -> None:
    one = of_cards(cards, tmp_path)
    trained(one, micro_batch=micro_batch)
    assert groups(one) == {parts}


@pytest.mark.parametrize("steps", [2, 3, 4])  # before, at and after a smaller batch
def test_a_run_of_several_cards_goes_on_to_the_weights_of_an_undisturbed_one(tmp_path: Path, steps: int) -> None:
    whole = trained(of_cards(2, tmp_path / "whole"))
    trained(of_cards(2, tmp_path / "cut"), should_stop=stop_after(steps))
    resumed = of_cards(2, tmp_path / "cut")
    for name, value in trained(resumed).items():
        assert torch.equal(value, whole[name])
    assert resumed.step == 6
