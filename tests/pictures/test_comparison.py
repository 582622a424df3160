"""One person as several models see them."""

import torch

from distilpose.data.skeleton import COCO
from distilpose.data.stream import Batch
from distilpose.models import build_model
from distilpose.pictures.comparison import Seen, comparison_sheet
from distilpose.pictures.scene import observe
from distilpose.pictures.sheets import described

SHAPE = {"input_size": (48, 64), "width": 4}
TOKENS = {"dim": 16, "depth": 1, "heads": 2}


def _seen(name: str, **options: object) -> Seen:
    flat = torch.zeros(1, 2)
    batch = Batch(
        torch.zeros(1, 3, 64, 48), torch.full((1, 17, 2), 0.5), torch.ones(1, 17), torch.arange(1), flat, flat + 64,
        torch.ones(1, 17),
    )  # fmt: skip
    return Seen(name, "seed 0", observe(build_model(name, **SHAPE, **options), None, batch))


def test_every_model_has_a_row_whatever_it_lacks() -> None:
    models = [_seen("distilpose_s", **TOKENS), _seen("deeppose_r50"), _seen("teacher_stemnet", **TOKENS)]
    heights = [comparison_sheet(models[:count], 0, (9, 0), COCO, "Rows")[0].shape[0] for count in (1, 2, 3)]
    assert heights[1] - heights[0] > 208
    assert heights[2] - heights[1] > 208
    assert "distilpose_s, deeppose_r50, teacher_stemnet" in comparison_sheet(models, 0, (9,), COCO, "Rows")[1]


def test_what_no_model_has_takes_no_room() -> None:
    token, plain = _seen("base_stemnet", **TOKENS), _seen("deeppose_r50")
    with_attention, without = (comparison_sheet([seen], 0, (9, 0), COCO, "One")[0] for seen in (token, plain))
    assert without.shape[1] < with_attention.shape[1]


def test_each_head_says_once_what_is_seen_of_it() -> None:
    heads = ("simcc", "rle", "rle", "ipr", "regression")
    scenes = [_seen("base_stemnet", head=head, **TOKENS).scene for head in heads]
    said = described(scenes)
    for sentence in (
        "Two curves: probabilities along x (below) and y (left), each up to its own peak, over their product.",
        "Ellipse: one sigma around the point.",
        "Probabilities: of every place; the point is their mean.",
        "Point: the model has no sigma output, and so no simulated heatmap.",
        "Below an ellipse: its sigmas, in % of the crop's width and height.",
    ):
        assert said.count(sentence) == 1
    assert "simulated" not in described(scenes[:4])
