"""The whole test of a crop is two forward passes and their decoding, as evaluation makes it."""

import pytest
import torch
from knowing_models import SIZE, Knowing, batches, write_split
from torch import nn

from distilpose.evaluation.evaluate import evaluate
from distilpose.evaluation.protocol import Protocol
from distilpose.evaluation.whole_test import WholeTest


@pytest.fixture
def data(tmp_path):
    return write_split(tmp_path / "split")


@pytest.mark.parametrize("heatmaps", [False, True])
@pytest.mark.parametrize("refinement", ["dark", "none"])
def test_its_points_are_those_of_an_evaluation(data, heatmaps, refinement):
    protocol = Protocol(refinement=refinement)
    model = Knowing(data, heatmaps=heatmaps)
    evaluation = evaluate(model, data, input_size=SIZE, batches=batches(data), protocol=protocol)
    whole = WholeTest(model, data.skeleton, protocol).eval()
    points = [whole(batch.images) for batch in batches(data)]
    found = torch.cat([p.keypoints for p in points])
    expected = torch.from_numpy(evaluation.keypoints)
    center, scale = (torch.cat([getattr(b, name) for b in batches(data)])[:, None] for name in ("center", "scale"))
    torch.testing.assert_close(found * scale + center - scale / 2, expected[..., :2], atol=1e-3, rtol=0)
    torch.testing.assert_close(torch.cat([p.scores for p in points]), expected[..., 2])


@pytest.mark.parametrize(("protocol", "passes"), [(Protocol(), 2), (Protocol(flip_test=None), 1)])
def test_the_flip_test_is_a_second_pass(data, protocol, passes):
    calls = []
    model = Knowing(data)
    assert isinstance(model, nn.Module)
    model.register_forward_hook(lambda *_: calls.append(1))
    WholeTest(model, data.skeleton, protocol)(batches(data)[0].images)
    assert len(calls) == passes
