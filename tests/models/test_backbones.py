"""HRNet and ResNet against the whole networks of timm and torchvision with the same weights."""

import pytest
import torch
from torch import nn
from torchvision.models import resnet

from distilpose.models.hrnet import HRNet
from distilpose.models.resnet import BLOCKS, ResNet


def _randomise(model: nn.Module) -> None:
    """Set every number so that features stay of the size of the image's, and no branch dies."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if not value.is_floating_point():
                continue
            noise = torch.randn(value.shape, generator=generator)
            if value.dim() == 4:
                value.copy_(noise * (1.5 / value[0].numel()) ** 0.5)
            else:
                value.copy_(0.1 * noise + (0 if "bias" in name or "mean" in name else 0.6))


def _timm_first_branch(images: torch.Tensor, state: dict[str, torch.Tensor], stages: int) -> torch.Tensor:
    """timm's first branch after stage 3 or 4, its network filled with `state` as far as that goes."""
    from timm.models.hrnet import HighResolutionNet

    network = HighResolutionNet(_w8(), head="").eval()
    missing, unexpected = network.load_state_dict(state, strict=False)
    assert unexpected == []
    assert all(".fuse_layers." in name or "stage4" in name or "transition3" in name for name in missing)
    x = network.act2(network.bn2(network.conv2(network.act1(network.bn1(network.conv1(images))))))
    if stages == 4:
        return network.stages(x)[0]
    branches = [step(network.layer1(x)) for step in network.transition1]
    branches = network.stage2(branches)
    branches = [
        branches[i] if isinstance(step, nn.Identity) else step(branches[-1])
        for i, step in enumerate(network.transition2)
    ]
    return network.stage3(branches)[0]


def _w8() -> dict[str, object]:
    def stage(number: int, modules: int) -> dict[str, object]:
        return {
            "num_modules": modules,
            "num_branches": number,
            "block_type": "BASIC",
            "num_blocks": (4,) * number,
            "num_channels": tuple(8 * 2**branch for branch in range(number)),
            "fuse_method": "SUM",
        }

    first = {"num_modules": 1, "num_branches": 1, "block_type": "BOTTLENECK", "num_blocks": (4,), "fuse_method": "SUM"}
    return {
        "stem_width": 64,
        "stage1": first | {"num_channels": (16,)},
        "stage2": stage(2, 1),
        "stage3": stage(3, 4),
        "stage4": stage(4, 3),
    }


def test_hrnet_equals_timms_first_branch() -> None:
    images = torch.randn(1, 3, 64, 32)
    for stages in (3, 4):
        ours = HRNet(width=8, stages=stages, stem=64, mid=16).eval()
        _randomise(ours)
        with torch.no_grad():
            expected = _timm_first_branch(images, ours.state_dict(), stages)
            torch.testing.assert_close(ours(images), expected)
        assert float(expected.std()) > 0.1


def test_hrnet_makes_nothing_of_the_coarse_branches_ends() -> None:
    for stages in (3, 4):
        names = HRNet(width=2, stages=stages, stem=4, mid=4).state_dict()
        last = f"stage{stages}.{3 if stages == 3 else 2}.fuse_layers."
        assert {name.split(".")[3] for name in names if name.startswith(last)} == {"0"}


def test_merged_hrnet_equals_timms_for_classification() -> None:
    from timm.models.hrnet import HighResolutionNet

    ours, theirs = HRNet(width=8, stages=4, stem=64, mid=16, merged=True).eval(), HighResolutionNet(_w8()).eval()
    _randomise(ours)
    theirs.load_state_dict(ours.state_dict(), strict=False)
    images = torch.randn(1, 3, 64, 32)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs.forward_features(images))
    assert (ours.channels, ours.stride) == (2048, 32)
    assert set(theirs.state_dict()) - set(ours.state_dict()) == {"classifier.weight", "classifier.bias"}


@pytest.mark.parametrize("name", BLOCKS)
def test_resnet_has_the_names_and_shapes_of_torchvisions(name: str) -> None:
    with torch.device("meta"):
        ours, theirs = ResNet(name, 64), getattr(resnet, name)()
    shapes = {key: value.shape for key, value in theirs.state_dict().items() if not key.startswith("fc.")}
    assert {key: value.shape for key, value in ours.state_dict().items()} == shapes


@pytest.mark.parametrize("layers", [2, 4])
def test_resnet_equals_torchvisions_as_far_as_it_goes(layers: int) -> None:
    ours, theirs = ResNet("resnet50", 64, layers).eval(), resnet.resnet50().eval()
    state = theirs.state_dict()
    ours.load_state_dict({name: state[name] for name in ours.state_dict()})
    for index in range(layers + 1, 5):
        setattr(theirs, f"layer{index}", nn.Identity())
    theirs.avgpool, theirs.fc = nn.Identity(), nn.Identity()
    images = torch.randn(1, 3, 64, 32)
    with torch.no_grad():
        features = ours(images)
        assert torch.equal(features.flatten(1), theirs(images))
    assert features.shape[1:] == (ours.channels, 64 // ours.stride, 32 // ours.stride)
