"""What a model's forward pass multiplies, worked out from its numbers alone: nothing is built, torch is not imported.

`counting.count_costs` counts the same on a model that was built, layer by layer; a test holds the two equal.
"""

from distilpose.models.layers import Convolution, area, backbone_channels, backbone_layers
from distilpose.models.specs import ModelSpec

MLP_RATIO = 3
"""The encoder's: how many times wider its middle layer is."""


def multiply_adds(spec: ModelSpec, *, all_cycles: bool = False) -> int:
    """Return the multiply-adds of one image: of convolutions, linear maps and attention's matrix products.

    SDPose runs one cycle in use and, with `all_cycles`, as many as it is trained with.
    """
    backbone = sum(_products(layer) for layer in backbone_layers(spec) if isinstance(layer, Convolution))
    if not spec.has_tokens:
        return backbone + (backbone_channels(spec) * spec.joints * outputs(spec) if spec.role == "student" else 0)
    tokens = spec.joints + spec.visual_tokens
    embedding = spec.visual_tokens * patch_numbers(spec) * spec.dim
    layer = tokens * (4 + 2 * MLP_RATIO) * spec.dim**2 + 2 * tokens**2 * spec.dim
    if spec.role == "student":
        head = spec.dim * outputs(spec)
    else:
        head = spec.dim * spec.hidden + spec.hidden * area(spec.heatmap_size)
    cycles = spec.cycles if all_cycles else 1
    return backbone + embedding + cycles * (spec.depth * layer + spec.joints * head)


def outputs(spec: ModelSpec) -> int:
    """Return the numbers that a student's head says of each joint."""
    return 2 + spec.score + 2 * spec.sigma


def patch_numbers(spec: ModelSpec) -> int:
    """Return the numbers a visual token is made of."""
    return backbone_channels(spec) * spec.patch[0] * spec.patch[1]


def _products(layer: Convolution) -> int:
    # A deconvolution multiplies at every pixel that goes in.
    return layer.weights * area(layer.entered if layer.transposed else layer.out)
