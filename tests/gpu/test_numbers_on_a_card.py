"""Models and losses give the numbers on a card that float64 gives on a CPU.

See `conftest.py` for how to run this on a CPU.
"""

from typing import Any

import pytest
import torch
from test_builders import small
from torch import Tensor, nn

from distilpose.losses import contract
from distilpose.losses.criteria import LossCriterion
from distilpose.losses.table import LOSSES
from distilpose.losses.use import Losses
from distilpose.models import MODELS, build_model
from distilpose.models.frozen import freeze

pytestmark = pytest.mark.gpu

# Of the greatest number. Convolutions in tf32, PyTorch's default on a card, have 10 bits.
EXACT, TF32, BF16 = 1e-4, 5e-2, 0.2


def apart(found: Tensor, wanted: Tensor) -> float:
    """The greatest difference in parts of the greatest number; infinite where one is not finite."""
    if not bool(torch.isfinite(found).all()):
        return float("inf")
    return float((found.double().cpu() - wanted).abs().max() / wanted.abs().max().clamp(min=1e-6))


def outputs_and_gradient(model: nn.Module, images: Tensor, half: bool = False) -> dict[str, Tensor]:
    """What the model returns, and the gradient of its mean square to the images."""
    images = images.clone().requires_grad_()
    with torch.autocast(images.device.type, torch.bfloat16, enabled=half):
        output = model(images)
    parts = {name: part for name, part in output._asdict().items() if isinstance(part, Tensor)}
    torch.autograd.backward(torch.stack([part.float().square().mean() for part in parts.values()]).sum())
    assert images.grad is not None
    return {**{name: part.detach() for name, part in parts.items()}, "gradient": images.grad}


@pytest.mark.parametrize(("way", "allowed"), [("fp32", EXACT), ("tf32", TF32), ("bf16", BF16)])
@pytest.mark.parametrize("name", MODELS)
def test_a_model_gives_what_float64_gives(device: str, name: str, way: str, allowed: float) -> None:
    options = small(name)
    width, height = options["input_size"]
    images = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    model = drawn(build_model(name, joints=5, **options)).eval()
    wanted = outputs_and_gradient(build_like(model, name, options), images.double())
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=way != "fp32"):
        found = outputs_and_gradient(model.to(device), images.to(device), half=way == "bf16")
    assert found.keys() == wanted.keys()
    for part in wanted:
        if part != "gradient":
            assert apart(found[part], wanted[part]) < allowed, part
        elif way == "fp32":  # rounding may move a number across a ReLU's kink
            assert apart(found[part], wanted[part]) < 10 * allowed


def drawn(model: nn.Module) -> nn.Module:
    """The model with weights so large that every part of it tells in what it gives."""
    draw = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            fan_in = module.weight[0].numel()
            nn.init.normal_(module.weight, std=fan_in**-0.5, generator=draw)
    return model


def build_like(model: nn.Module, name: str, options: dict[str, Any]) -> nn.Module:
    """The same weights in float64."""
    exact = build_model(name, joints=5, **options)
    exact.load_state_dict(model.state_dict())
    return exact.double().eval()


def test_a_frozen_teacher_says_the_same(device: str) -> None:
    options = small("teacher_stemnet")
    width, height = options["input_size"]
    images = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    teacher = drawn(build_model("teacher_stemnet", joints=5, **options)).eval()
    with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        wanted = build_like(teacher, "teacher_stemnet", options)(images.double())
        found = freeze(teacher.to(device), (width, height))(images.to(device))
    for one, other in zip(found, wanted, strict=True):
        assert (one is None) == (other is None)
        assert one is None or apart(one, other) < EXACT


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_and_its_gradients_are_those_of_float64(device: str, name: str, half: bool) -> None:
    values: list[Tensor] = []
    gradients: list[dict[str, Tensor]] = []
    criterion = LossCriterion(Losses.of({name: 1.0}), skeleton=contract.COCO)
    with torch.no_grad():
        contract._value(criterion, *contract._world(torch.float32))  # lazy parameters get their sizes
    start = {key: value.clone() for key, value in criterion.state_dict().items()}
    for dtype, where in ((torch.float64, "cpu"), (torch.float32, device)):
        criterion.to(where, dtype)
        criterion.load_state_dict(start)
        student, batch, teacher = contract._world(dtype)
        inputs = {name: tensor.detach().to(where) for name, tensor in contract._inputs(criterion, student).items()}
        inputs = {name: tensor.requires_grad_() for name, tensor in inputs.items()}
        student = contract._Student(**{key: value.to(where) for key, value in vars(student).items()})
        batch = type(batch)(*(tensor.to(where) for tensor in batch))
        teacher = type(teacher)(*(None if part is None else part.to(where) for part in teacher))
        with torch.autocast(where, torch.bfloat16, enabled=half and dtype == torch.float32):
            value = contract._value(criterion, contract._with(student, inputs), batch, teacher)
        torch.autograd.backward(value)
        values.append(value.detach())
        gradients.append({name: tensor.grad for name, tensor in inputs.items() if tensor.grad is not None})
    assert apart(values[1], values[0]) < (0.1 if half else EXACT)
    assert gradients[0].keys() == gradients[1].keys()
    for key, wanted in gradients[0].items():
        assert half or apart(gradients[1][key], wanted) < 10 * EXACT, key
