"""Names, sizes and options: what is built, and what is refused."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from distilpose.heads import HEADS, load
from distilpose.models import MODELS, build_model, resolve_spec
from distilpose.models.spec import RESNETS, model_options

TOKENS = {"dim": 16, "depth": 2, "heads": 2}
SMALL = {
    "stemnet": {"input_size": (32, 48), "width": 4, "patch": (3, 2), **TOKENS},
    "hrnet": {"input_size": (32, 64), "width": 2, "stem": 4, "patch": (4, 4), **TOKENS},
    "image": {"input_size": (32, 48), "patch": (12, 8), **TOKENS},
    "resnet50": {"input_size": (32, 64), "width": 2},
}
SMALL_HEADS = {
    "transpose": {"d_model": 8, "layers": 1, "nhead": 2, "dim_feedforward": 8},
    "prtr": {"d_model": 8, "layers": 2, "nhead": 2, "dim_feedforward": 8, "queries": 10},
}


def small(name: str) -> dict:
    """The options of a small one of a model."""
    spec = MODELS[name]
    options = SMALL["resnet50" if spec.backbone in RESNETS else spec.backbone]
    known = {"input_size", *model_options(spec)}
    return {**{key: value for key, value in options.items() if key in known}, **SMALL_HEADS.get(spec.head, {})}


@pytest.mark.parametrize("name", MODELS)
def test_a_small_one_of_every_model_runs_in_its_declared_shape(name: str) -> None:
    options = small(name)
    model = build_model(name, joints=5, **options).train()
    spec = resolve_spec(name, joints=5, **options)
    output = model(torch.randn(2, 3, options["input_size"][1], options["input_size"][0]))
    assert spec.role == MODELS[name].role
    assert spec.heatmap_size == (8, options["input_size"][1] // 4)
    assert isinstance(output, load(HEADS[spec.head].output))
    if spec.role == "student":
        assert output.keypoints.shape == (2, 5, 2)
        if spec.head == "regression":
            assert (output.scores is not None) == (output.sigmas is not None) == name.startswith("distilpose")
    else:
        assert output.heatmaps.shape == (2, 5, *reversed(spec.heatmap_size))
    assert spec.has_tokens == (output.keypoint_tokens is not None)
    if output.keypoint_tokens is not None:
        assert output.keypoint_tokens.shape == (2, 5, spec.dim)
        assert output.visual_tokens.shape == (2, spec.visual_tokens, spec.dim)
    assert output.attention is None
    sum(part.square().sum() for part in output if part is not None).backward()
    unused = [key for key, value in model.named_parameters() if value.grad is None and value.requires_grad]
    assert unused == []


def test_published_shapes_let_every_student_learn_from_every_token_teacher() -> None:
    specs = [resolve_spec(name) for name in ("distilpose_s", "distilpose_l", "base_stemnet")]
    assert {(spec.dim, spec.visual_tokens, spec.joints, spec.heatmap_size) for spec in specs} == {
        (192, 256, 17, (48, 64))
    }
    assert resolve_spec("sdpose_s_v2").visual_tokens == 768


@pytest.mark.parametrize(
    ("score", "sigma", "rows"), [(True, True, 5), (True, False, 3), (False, True, 4), (False, False, 2)]
)
@pytest.mark.parametrize("name", ["distilpose_s", "deeppose_r50"])
def test_heads_have_only_the_outputs_asked_for(name: str, score: bool, sigma: bool, rows: int) -> None:
    options = small(name)
    model = build_model(name, joints=3, score=score, sigma=sigma, **options).eval()
    linear = next(module for key, module in model.named_modules() if key.endswith("linear"))
    assert linear.out_features == rows * (3 if name == "deeppose_r50" else 1)
    output = model(torch.randn(1, 3, options["input_size"][1], 32))
    assert (output.scores is not None) == score
    assert (output.sigmas is not None) == sigma
    if score:
        assert output.scores.shape == (1, 3)
    if sigma:
        assert output.sigmas.shape == (1, 3, 2)
        assert output.sigmas.min() > 0


def test_sdpose_returns_the_first_cycle_unless_asked_for_all() -> None:
    model = build_model("sdpose_t", cycles=2, **SMALL["stemnet"]).eval()
    images = torch.randn(1, 3, 48, 32)
    first, second = model(images, all_cycles=True)
    assert torch.equal(model(images).heatmaps, first.heatmaps)
    assert not torch.equal(first.heatmaps, second.heatmaps)
    encoder = model.encoder
    before = torch.cat((first.keypoint_tokens, first.visual_tokens), dim=1)
    torch.testing.assert_close(encoder.split(encoder.encode(before)[0])[0], second.keypoint_tokens)


def test_asked_attention_comes_for_each_layer_and_head() -> None:
    model = build_model("distilpose_s", **SMALL["stemnet"]).eval()
    assert model(torch.randn(1, 3, 48, 32), attention=True).attention.shape == (1, 2, 2, 17, 17 + 16)


def test_models_without_tokens_have_no_attention_to_show() -> None:
    for name in ("deeppose_r50", "simplebaseline_r50"):
        model = build_model(name, **SMALL["resnet50"])
        assert model(torch.randn(2, 3, 64, 32), attention=True).attention is None


def test_regression_outputs_stay_float32_under_autocast() -> None:
    model = build_model("distilpose_s", **SMALL["stemnet"]).eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(torch.randn(1, 3, 48, 32))
    assert {part.dtype for part in output[:3]} == {torch.float32}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("distilpos_s", {}, "model: must be a model of ours, .* got 'distilpos_s'; did you mean distilpose_s"),
        ("distilpose_s", {"patch": (5, 3)}, r"patch: .* must divide the 64 rows and 48 columns .* got \(5, 3\)"),
        ("distilpose_s", {"dim": 100}, r"dim: must be a multiple of 4 and of heads \(8\), got 100"),
        ("distilpose_s", {"dim": 18, "heads": 2}, "dim: must be a multiple of 4"),
        ("distilpose_s", {"input_size": (190, 256)}, "input_size: .* multiples of 4 for distilpose_s"),
        ("teacher_tokenpose_l", {"input_size": (48, 64)}, "input_size: .* multiples of 32"),
        ("distilpose_l", {"input_size": (40, 64)}, "input_size: .* multiples of 16"),
        ("distilpose_s", {"stem": 32}, "stem: means nothing to distilpose_s"),
        ("distilpose_s", {"cycles": 2}, "cycles: means nothing to distilpose_s"),
        ("distilpose_s", {"joints": 0}, "joints: must be at least 1, got 0"),
        ("tokenpose_t", {"width": 32}, "width: means nothing to tokenpose_t"),
        ("teacher_stemnet", {"score": True}, "score: means nothing to teacher_stemnet"),
        ("teacher_stemnet", {"sigma": False}, r"sigma: means nothing to teacher_stemnet \(its head is heatmap\)"),
        ("distilpose_s", {"dim": 0}, "dim: must be at least 1, got 0"),
        (
            "distilpose_s",
            {"widht": 8},
            "widht: means nothing to distilpose_s .did you mean width.*, got 8; leave it out",
        ),
        ("simplebaseline_r50", {"input_size": (48, 64)}, "input_size: .* multiples of 32"),
        ("deeppose_r50", {"dim": 96}, "dim: means nothing to deeppose_r50"),
    ],
)
def test_what_cannot_be_built_is_refused_with_the_reason(name: str, options: dict, message: str) -> None:
    for ask in (build_model, resolve_spec):
        with pytest.raises(ValueError, match=message):
            ask(name, **options)


def test_building_leaves_the_global_generator_alone() -> None:
    state = torch.get_rng_state()
    build_model("distilpose_s", **SMALL["stemnet"])
    assert torch.equal(state, torch.get_rng_state())


def test_the_generator_decides_the_start() -> None:
    def start(seed: int | None) -> torch.Tensor:
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        model: nn.Module = build_model("distilpose_s", generator=generator, **SMALL["stemnet"])
        return next(model.parameters()).detach()

    assert torch.equal(start(1), start(1))
    assert not torch.equal(start(1), start(2))
    assert torch.equal(start(None), start(None))


def test_a_shape_is_known_without_torch() -> None:
    code = "import sys, distilpose.models as m; m.resolve_spec('distilpose_l', score=True)"
    code += "; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["distilpose_s", "teacher_tokenpose_l", "deeppose_r50", "transpose_r_a3"])
def test_the_layout_in_memory_changes_no_number(name: str) -> None:
    options = small(name)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, 3, options["input_size"][1], options["input_size"][0], generator=generator).double()

    def trained(layout: torch.memory_format) -> list[torch.Tensor]:
        model = build_model(name, **options).double().to(memory_format=layout).train()
        output = model(images.contiguous(memory_format=layout))
        tensors = [part for part in output if part is not None]
        torch.autograd.backward(sum(tensor.square().sum() for tensor in tensors))
        return [*tensors, *(parameter.grad for parameter in model.parameters() if parameter.grad is not None)]

    last, first = trained(torch.channels_last), trained(torch.contiguous_format)
    assert len(last) > 5
    for one, other in zip(last, first, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)
