"""Batch normalisation over parts of a batch, against one `nn.BatchNorm2d` a part: what as many cards compute."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from test_cohort import SMALL, Stream, Witness, member, validate
from torch import nn

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


def groups(one: Member, micro_batch: int | None = None) -> int:
    """How many parts batch normalisation saw in a batch that went through the model, after a training."""
    teacher = build_model("teacher_stemnet", **SMALL)
    initialise(teacher, seed=1)
    fabric = Fabric(accelerator="cpu", devices=1, precision="32-true")
    witness = Witness()
    assert train_cohort(
        [one], stream=Stream(), validate=validate, listener=witness, fabric=fabric, teacher=teacher,
        micro_batch=micro_batch,
    )  # fmt: skip
    found = {m.groups for m in one.model.modules() if isinstance(m, GhostBatchNorm2d)}
    assert len(found) <= 1
    return found.pop() if found else 1


def test_a_schedule_of_several_cards_trains_to_other_weights(tmp_path: Path) -> None:
    together, apart = of_cards(1, tmp_path), of_cards(2, tmp_path)
    assert (groups(together), groups(apart)) == (1, 2)
    assert together.model.state_dict().keys() == apart.model.state_dict().keys()
    key = next(iter(together.model.state_dict()))
    assert not torch.equal(together.model.state_dict()[key], apart.model.state_dict()[key])


@pytest.mark.parametrize(("cards", "micro_batch", "parts"), [(4, 2, 2), (4, 1, 1), (2, 2, 1), (4, None, 4)])
def test_fewer_people_at_once_keep_the_people_of_a_card(
    tmp_path: Path, cards: int, micro_batch: int | None, parts: int
) -> None:
    assert groups(of_cards(cards, tmp_path), micro_batch) == parts
