"""What a test asks of a model for every crop, as one module: what the papers' frames per second are of."""

from jaxtyping import Float
from torch import Tensor, nn

from distilpose.data.skeleton import Skeleton
from distilpose.evaluation.decode import Points
from distilpose.evaluation.evaluate import read_points
from distilpose.evaluation.protocol import PUBLISHED, Protocol


class WholeTest(nn.Module):
    """Both forward passes of the flip test, their mean, and its decoding; the points end in the processor's memory.

    Source: the authors' `tools/benchmark_inference.py`, which times this (batch 1, fp32) with DARK for the teacher; for
    the speed without post-processing ("Ex-post.") the `refinement` is "none".
    """

    def __init__(self, model: nn.Module, skeleton: Skeleton, protocol: Protocol = PUBLISHED) -> None:
        super().__init__()
        self.model = model
        self._partners, self._protocol = skeleton.flip_permutation, protocol

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Points:
        """Return the joints in [0, 1] of the crop, and their scores."""
        flip_test = self._protocol.flip_test
        output = self.model(images)
        mirrored = None if flip_test is None else self.model(images.flip(-1))
        points = read_points(output, mirrored, self._partners, images.shape[-1], flip_test, self._protocol.refinement)
        return Points(points.keypoints.cpu(), points.scores.cpu())
