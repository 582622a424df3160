"""A head as a user may write one: each joint by one-dimensional classification of x and of y (SimCC, in small)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from distilpose.evaluation.decode import Points, Refinement
from distilpose.evaluation.flip import FlipTest
from distilpose.heads import Head
from distilpose.heads.output import Drawing


class ToyOutput(NamedTuple):
    columns: Tensor
    rows: Tensor
    visual_tokens: Tensor | None = None
    keypoint_tokens: Tensor | None = None
    attention: Tensor | None = None

    @property
    def teaches(self) -> bool:
        return False

    def merged(self, mirrored: "ToyOutput", partners: Sequence[int], width: int, how: FlipTest) -> "ToyOutput":
        back = [bins[:, list(partners)] for bins in mirrored[:2]]
        return ToyOutput((self.columns + back[0].flip(-1)) / 2, (self.rows + back[1]) / 2)

    def points(self, refinement: Refinement = "dark") -> Points:
        maxima = [bins.softmax(-1).max(-1) for bins in self[:2]]
        places = [found.indices / bins.shape[-1] for found, bins in zip(maxima, self[:2], strict=True)]
        return Points(torch.stack(places, -1), maxima[0].values * maxima[1].values)

    def drawn(self, size: tuple[int, int]) -> Drawing:
        across, down = self.columns.softmax(-1), self.rows.softmax(-1)
        product = down[..., :, None] * across[..., None, :]
        return Drawing("product", "of probabilities along x and y", product, curves=(across, down))

    def exported(self) -> dict[str, Tensor]:
        points = self.points()
        return {"keypoints": points.keypoints, "scores": points.scores, "columns": self.columns, "rows": self.rows}


class ToyHead(nn.Module):
    def __init__(self, dim: int, heatmap_size: tuple[int, int], *, finer: int = 4) -> None:
        super().__init__()
        self.x, self.y = (nn.Linear(dim, finer * size) for size in heatmap_size)

    def forward(self, tokens: Tensor) -> ToyOutput:
        return ToyOutput(self.x(tokens), self.y(tokens))


TOY = Head(
    on_tokens="toy_head:ToyHead",
    on_features="",
    output="toy_head:ToyOutput",
    exports=("keypoints", "scores", "columns", "rows"),
    gives=("columns", "rows"),
)
