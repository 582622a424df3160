"""PRTR (Li et al., CVPR 2021): learned queries ask the features for joints, and each joint takes one query's answer."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from distilpose.evaluation.decode import Points, Refinement
from distilpose.evaluation.flip import FlipTest
from distilpose.heads.output import Drawing, as_tokens
from distilpose.heads.regression import RegressionOutput, simulated_heatmaps
from distilpose.models.positions import sine_table
from distilpose.models.post_norm import DecoderLayer, EncoderLayer, start_xavier
from distilpose.models.precision import without_autocast

_DRAWN_SIGMA = 2.0  # heatmap pixels


class PRTROutput(NamedTuple):
    """What every query says: which joint it is, the last class meaning none, and where."""

    logits: Float[Tensor, "batch queries joints+1"]
    coords: Float[Tensor, "batch queries 2"]
    """(x, y) in [0, 1] of the crop's width and height."""
    earlier: Float[Tensor, "batch layers queries joints+3"] | None = None
    """Logits and coordinates after every decoder layer but the last, for the loss; only while training."""
    visual_tokens: Float[Tensor, "batch visual dim"] | None = None
    keypoint_tokens: Float[Tensor, "batch joints dim"] | None = None
    attention: Float[Tensor, "batch layers heads joints joints+visual"] | None = None
    learn: Callable[[Any], Tensor] | None = None

    @property
    def teaches(self) -> bool:
        """No: it has no heatmaps."""
        return False

    @property
    def keypoints(self) -> Float[Tensor, "batch joints 2"]:
        """The coordinates of each joint's query."""
        return take(self.coords, self._matched())

    @property
    def scores(self) -> Float[Tensor, "batch joints"]:
        """How probable each joint is at its query."""
        return self._scores(self._matched())

    def _matched(self) -> Tensor:
        return match(-self.logits[..., :-1].float().softmax(-1))

    def _scores(self, queries: Tensor) -> Tensor:
        probabilities = self.logits[..., :-1].float().softmax(-1)
        return take(probabilities, queries).diagonal(dim1=1, dim2=2)

    def merged(self, mirrored: "PRTROutput", partners: Sequence[int], width: int, how: FlipTest) -> RegressionOutput:
        """Return the means of points and scores with those of the mirrored crop."""
        ours, theirs = (RegressionOutput(one.keypoints.float(), one.scores) for one in (self, mirrored))
        return ours.merged(theirs, partners, width, how)

    def points(self, refinement: Refinement = "dark") -> Points:
        """Return the joints; there is nothing to refine."""
        queries = self._matched()
        return Points(take(self.coords, queries).float(), self._scores(queries))

    def drawn(self, size: tuple[int, int]) -> Drawing:
        """Return where the queries are that could be each joint: spots as strong as they are probable."""
        spots = simulated_heatmaps(self.coords.float(), torch.full_like(self.coords, _DRAWN_SIGMA).float(), size)
        maps = torch.einsum("bqj,bqhw->bjhw", self.logits.float().softmax(-1)[..., :-1], spots).clamp(max=1)
        return Drawing("queries", "a spot at each, as strong as it is probable to be this joint", maps)

    def exported(self) -> dict[str, Tensor]:
        """Return each joint's most probable query, what it is worth, and what all queries say.

        A file cannot match: two joints may take one query there.
        """
        best = self.logits[..., :-1].softmax(-1).max(1)
        keypoints = take(self.coords, best.indices)
        return {"keypoints": keypoints, "scores": best.values, "logits": self.logits, "coords": self.coords}


class Decoder(nn.Module):
    """DETR's transformer (Carion et al., ECCV 2020) and heads: features to what every query says."""

    positions: Tensor

    def __init__(
        self,
        channels: int,
        joints: int,
        size: tuple[int, int],
        *,
        d_model: int,
        layers: int,
        nhead: int,
        dim_feedforward: int,
        queries: int,
    ) -> None:
        super().__init__()
        self.input_proj = nn.Conv2d(channels, d_model, 1)
        self.encoder = nn.ModuleList(EncoderLayer(d_model, nhead, dim_feedforward) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderLayer(d_model, nhead, dim_feedforward) for _ in range(layers))
        self.norm = nn.LayerNorm(d_model)
        self.queries = nn.Parameter(torch.zeros(queries, d_model))
        self.class_embed = nn.Linear(d_model, joints + 1)
        self.kpt_embed = nn.ModuleList(nn.Linear(d_model, out) for out in (d_model, d_model, 2))
        self.register_buffer("positions", sine_table(size[1], size[0], d_model), persistent=False)

    def start(self, seed: int) -> None:
        """Start as DETR does, its queries normal."""
        start_xavier(self, seed)
        with torch.no_grad():
            self.queries.copy_(torch.randn(self.queries.shape, generator=torch.Generator().manual_seed(seed)))

    def forward(
        self, features: Float[Tensor, "batch channels rows columns"]
    ) -> list[tuple[Float[Tensor, "batch queries joints+1"], Float[Tensor, "batch queries 2"]]]:
        """Return logits and coordinates after every decoder layer; in use only after the last."""
        memory = self.input_proj(features).flatten(2).transpose(1, 2)
        for layer in self.encoder:
            memory = layer(memory, self.positions)
        placed = memory + self.positions
        x = torch.zeros_like(self.queries, dtype=memory.dtype).expand(memory.shape[0], -1, -1)
        said = []
        for index, layer in enumerate(self.decoder, start=1):
            x = layer(x, self.queries, memory, placed)
            if self.training or index == len(self.decoder):
                said.append(self._say(self.norm(x)))
        return said

    def _say(self, x: Tensor) -> tuple[Tensor, Tensor]:
        with without_autocast(x.device.type):  # bf16 would know a coordinate to 1/256 of the crop only
            x = x.to(self.class_embed.weight.dtype)
            first, second, last = self.kpt_embed
            return self.class_embed(x), last(second(first(x).relu()).relu()).sigmoid()


class PRTR(nn.Module):
    """A backbone and DETR's transformer over its features, `layers` of each kind.

    `frozen` keeps all batch normalisation of a ResNet, its stem and its first layer as they are, as published for
    ResNet-50: for a backbone that starts from ImageNet.
    """

    def __init__(
        self,
        backbone: nn.Module,
        channels: int,
        joints: int,
        input_size: tuple[int, int],
        *,
        d_model: int = 256,
        layers: int = 6,
        nhead: int = 8,
        dim_feedforward: int = 2048,
        queries: int = 100,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        if d_model % 4 or d_model % nhead:
            raise ValueError(f"d_model: must be a multiple of 4 and of nhead ({nhead}), got {d_model}")
        if queries < joints:
            raise ValueError(f"queries: must be at least one a joint ({joints}), got {queries}")
        self.backbone = backbone
        stride: int = backbone.stride  # type: ignore[assignment]
        self.detr = Decoder(
            channels,
            joints,
            (input_size[0] // stride, input_size[1] // stride),
            d_model=d_model,
            layers=layers,
            nhead=nhead,
            dim_feedforward=dim_feedforward,
            queries=queries,
        )
        if frozen:
            _freeze_norms(backbone)
            for name, parameter in backbone.named_parameters():
                parameter.requires_grad_(name.startswith(("layer2.", "layer3.", "layer4.")))

    def forward(self, images: Float[Tensor, "batch 3 height width"], *, attention: bool = False) -> PRTROutput:
        """Return what the queries say; they are no keypoint tokens whose attention could be shown."""
        features = self.backbone(images)
        *earlier, (logits, coords) = self.detr(features)
        said = torch.stack([torch.cat(one, -1) for one in earlier], 1) if earlier else None
        return PRTROutput(logits, coords, said, visual_tokens=as_tokens(features))


def _freeze_norms(module: nn.Module) -> None:
    from torchvision.ops import FrozenBatchNorm2d

    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, FrozenBatchNorm2d(child.num_features, child.eps))
        else:
            _freeze_norms(child)


@torch.no_grad()
def match(cost: Float[Tensor, "batch queries joints"]) -> Tensor:
    """Return each joint's query [batch, joints], all different and together of the least cost (Hungarian method)."""
    costs = cost.transpose(1, 2).cpu().double().nan_to_num(nan=0.0).numpy()
    return torch.stack([torch.from_numpy(linear_sum_assignment(one)[1]) for one in costs]).to(cost.device)


def take(values: Float[Tensor, "batch queries numbers"], queries: Tensor) -> Float[Tensor, "batch joints numbers"]:
    """Return the rows of the chosen queries [batch, joints]."""
    return values.gather(1, queries[..., None].expand(-1, -1, values.shape[-1]))
