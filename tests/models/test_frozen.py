"""A frozen model says what it said before, with fewer operations."""

import logging

import pytest
import torch
from torch import Tensor, nn

from distilpose.models import build_model
from distilpose.models.frozen import freeze

SIZES = {
    "teacher_stemnet": {"width": 8, "dim": 32, "depth": 2, "heads": 2},
    "teacher_tokenpose_l": {"width": 4, "stem": 8, "dim": 32, "depth": 2, "heads": 2},
    "simplebaseline_r50": {"width": 8},
}
SIZE = (96, 128)
IMAGES = torch.randn(2, 3, 128, 96, generator=torch.Generator().manual_seed(1))


def trained(name: str) -> nn.Module:
    """A model in float64 whose every number is its own, as if trained."""
    model = build_model(name, input_size=SIZE, **SIZES[name]).double().eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                for value, middle in (
                    (module.weight, 1.0), (module.bias, 0.0), (module.running_mean, 0.0), (module.running_var, 1.5)
                ):  # fmt: skip
                    assert value is not None
                    value.copy_(middle + 0.2 * torch.rand(value.shape, generator=generator))
            elif isinstance(module, nn.Conv2d):
                module.weight.copy_(
                    torch.randn(module.weight.shape, generator=generator) / module.weight[0].numel() ** 0.5
                )
    return model


def norms(model: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


@torch.no_grad()
@pytest.mark.parametrize("name", SIZES)
def test_it_says_the_same_without_its_normalisations(name: str) -> None:
    model = trained(name)
    before = [part for part in model(IMAGES.double()) if part is not None]
    deconvolutions = sum(isinstance(module, nn.ConvTranspose2d) for module in model.modules())
    assert norms(model) > deconvolutions

    frozen = freeze(model, SIZE)

    assert norms(frozen) == deconvolutions
    after = [part for part in frozen(IMAGES.double()) if part is not None]
    for expected, found in zip(before, after, strict=True):
        assert float(expected.std()) > 1e-3
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_nothing_of_it_is_trained_any_more() -> None:
    frozen = freeze(trained("teacher_stemnet").train(), SIZE)
    assert not frozen.training
    assert not any(parameter.requires_grad for parameter in frozen.parameters())


class ReadTwice(nn.Module):
    """A convolution whose output its normalisation is not alone to read."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.norm = nn.BatchNorm2d(4)
        nn.init.constant_(self.norm.running_var, 9.0)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        features = self.conv(images)
        return self.norm(features) + features  # type: ignore[no-any-return]


class UsedTwice(nn.Module):
    """A convolution that two normalisations follow."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.first, self.second = nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, images: Tensor) -> Tensor:
        return self.second(self.conv(self.first(self.conv(images))))  # type: ignore[no-any-return]


@torch.no_grad()
def test_what_cannot_be_folded_is_left_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    for model in (ReadTwice(), UsedTwice()):
        before = model.eval()(IMAGES)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            frozen = freeze(model, SIZE)
        assert torch.equal(frozen(IMAGES), before)
        assert ("ReadTwice" in caplog.text) == isinstance(model, ReadTwice)
