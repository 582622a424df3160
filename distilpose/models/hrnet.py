"""HRNet: branches of 1/4, 1/8, ... of the image kept side by side; the finest one is used. timm's parts, wired here.

timm's own network carries all four stages and a classifier; pose models stop after stage 3 or 4 and need their last
module to fuse into the first branch alone, so nothing of a coarser branch's end is made, or counted. Those that regress
from one vector (RLE, PRTR) take all four branches, merged as for classification.
"""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from distilpose.models.stemnet import EXPANSION, Bottleneck

MODULES = {2: 1, 3: 4, 4: 3}
"""How many multi-branch modules each stage has; a stage has as many branches as its number."""
BLOCKS = 4


class HRNet(nn.Module):
    """Backbone of stride 4 and `width` channels, stopping after stage 3 or 4.

    `stem` is the width of its two strided convolutions, `mid` of the bottlenecks after them (published: 64 and 64).
    `merged` is the whole network for classification without its last linear map: stride 32, `32 * stem` channels.
    """

    def __init__(self, *, width: int, stages: int, stem: int, mid: int, merged: bool = False) -> None:
        super().__init__()
        assert stages in (3, 4), stages
        assert stages == 4 or not merged
        # timm takes longer to import than all of this package, and only HRNet wants it.
        from timm.models.hrnet import HighResolutionModule, SequentialList
        from timm.models.resnet import BasicBlock

        self.channels, self.stride = (32 * stem, 32) if merged else (width, 4)
        self.width, self.merged = width, merged
        self.conv1 = nn.Conv2d(3, stem, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.conv2 = nn.Conv2d(stem, stem, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(
            Bottleneck(stem, mid), *(Bottleneck(EXPANSION * mid, mid) for _ in range(BLOCKS - 1))
        )
        channels = [EXPANSION * mid]
        self.stage_numbers = range(2, stages + 1)
        for stage in self.stage_numbers:
            branches = [width * 2**branch for branch in range(stage)]
            self.add_module(f"transition{stage - 1}", _transition(channels, branches))
            modules = [
                HighResolutionModule(
                    num_branches=stage,
                    block_types=BasicBlock,
                    num_blocks=(BLOCKS,) * stage,
                    num_in_chs=list(branches),
                    num_channels=tuple(branches),
                    fuse_method="SUM",
                    multi_scale_output=merged or stage < stages or index < MODULES[stage] - 1,
                )
                for index in range(MODULES[stage])
            ]
            self.add_module(f"stage{stage}", SequentialList(*modules))
            channels = branches
        if merged:
            ends = [max(1, stem // 2) * 2**branch for branch in range(4)]
            self.incre_modules = nn.ModuleList(
                nn.Sequential(Bottleneck(before, mid)) for before, mid in zip(channels, ends, strict=True)
            )
            wide = [EXPANSION * end for end in ends]
            self.downsamp_modules = nn.ModuleList(_down(*pair) for pair in pairwise(wide))
            self.final_layer = _down(wide[-1], self.channels, size=1)

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch channels height/stride width/stride"]:
        """Return the first branch's features, or those of all branches merged."""
        x = self.relu(self.bn1(self.conv1(images)))
        x = self.relu(self.bn2(self.conv2(x)))
        branches = [self.layer1(x)]
        for stage in self.stage_numbers:
            transition = self.get_submodule(f"transition{stage - 1}")
            assert isinstance(transition, nn.ModuleList)
            # A new branch starts from the coarsest there is.
            entered = [
                step(branches[index] if index < len(branches) else branches[-1])
                for index, step in enumerate(transition)
            ]
            branches = self.get_submodule(f"stage{stage}")(entered)
        if not self.merged:
            return branches[0]  # type: ignore[no-any-return]
        x, *rest = (grow(branch) for grow, branch in zip(self.incre_modules, branches, strict=True))
        for branch, down in zip(rest, self.downsamp_modules, strict=True):
            x = branch + down(x)
        return self.final_layer(x)  # type: ignore[no-any-return]


def _transition(before: list[int], after: list[int]) -> nn.ModuleList:
    """Return what leads each branch of the last stage into the next, and the coarsest into a new one."""
    steps: list[nn.Module] = []
    for index, channels in enumerate(after):
        if index >= len(before):
            steps.append(nn.Sequential(_strided(before[-1], channels, stride=2)))
        elif before[index] != channels:
            steps.append(_strided(before[index], channels, stride=1))
        else:
            steps.append(nn.Identity())
    return nn.ModuleList(steps)


def _strided(channels: int, out: int, *, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)
    )


def _down(channels: int, out: int, *, size: int = 3) -> nn.Sequential:
    """Return a step of the merging, a convolution with a bias: halving the size, or of `size` 1 keeping it."""
    convolution = nn.Conv2d(channels, out, size, stride=2 if size == 3 else 1, padding=size // 2)
    return nn.Sequential(convolution, nn.BatchNorm2d(out), nn.ReLU(inplace=True))
