"""Speed is a median with its spread, measured without touching the model."""

import torch

from distilpose.models import build_model, measure_speed


def test_speed_is_the_median_of_single_passes() -> None:
    model = build_model("base_stemnet", input_size=(24, 32), width=4, dim=8, depth=1, heads=2).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    speed = measure_speed(model, (24, 32), device=torch.device("cpu"), passes=5, warm_up=1)
    assert 0 < speed.low <= speed.fps <= speed.high
    assert (speed.passes, speed.device) == (5, "cpu")
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_every_pass_asked_for_is_run() -> None:
    calls: list[int] = []
    model = torch.nn.Identity()
    model.register_forward_hook(lambda *_: calls.append(1))
    measure_speed(model, (8, 8), device=torch.device("cpu"), passes=3, warm_up=2)
    assert len(calls) == 5
