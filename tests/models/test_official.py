"""Our models against the authors': names, shapes and numbers."""

from pathlib import Path

import pytest
import torch
from official_fixtures import NAMES, fixture_images, official_outputs, official_shapes, official_weights, peer_weights
from tiny_official import TINY, tiny_official
from torch import Tensor

from distilpose.models import HeatmapOutput, RegressionOutput, build_model, load_official, resolve_spec
from distilpose.models.official import OfficialWeightsError, official_name


def assert_close_to_scale(ours: Tensor, theirs: Tensor, tolerance: float) -> None:
    error = float((ours.reshape(theirs.shape) - theirs).abs().max() / theirs.abs().max())
    assert error <= tolerance, error


@pytest.mark.parametrize("name", ["distilpose_s", "base_stemnet", "teacher_stemnet", "tokenpose_t", "sdpose_t"])
def test_outputs_equal_the_authors(name: str, parity_dir: Path) -> None:
    model = build_model(name).eval()
    load_official(model, official_weights(parity_dir, name))
    expected = official_outputs(parity_dir, name)
    images = fixture_images()
    with torch.inference_mode():
        assert_close_to_scale(model.backbone(images).mean((2, 3)), expected["feature_mean"], 1e-4)
        if name.startswith("sdpose"):
            outputs = model(images, attention=True, all_cycles=True)
            prefixes = [f"cycle{cycle}." for cycle in range(len(outputs))]
        else:
            outputs, prefixes = [model(images)], [""]
    assert {key.split(".")[0] for key in expected if "cycle" in key} == {prefix[:-1] for prefix in prefixes if prefix}
    for output, prefix in zip(outputs, prefixes, strict=True):
        assert_close_to_scale(output.visual_tokens[:, ::8], expected[f"{prefix}vis_token"], 1e-4)
        assert_close_to_scale(output.keypoint_tokens, expected[f"{prefix}kpt_token"], 1e-4)
        if isinstance(output, RegressionOutput):
            torch.testing.assert_close(output.keypoints, expected["pred"], rtol=0, atol=1e-5)
            assert (output.scores is None) == ("score" not in expected)
            if output.scores is not None:
                torch.testing.assert_close(output.scores, expected["score"][..., 0], rtol=0, atol=1e-5)
                torch.testing.assert_close(output.sigmas, expected["sigma"], rtol=0, atol=1e-5)
        else:
            assert isinstance(output, HeatmapOutput)
            assert_close_to_scale(output.heatmaps[:, :, ::2, ::2], expected[f"{prefix}pred"], 1e-5)
        if f"{prefix}attn_head0" in expected:
            theirs = expected[f"{prefix}attn_head0"]
            torch.testing.assert_close(output.attention[:, -1, 0], theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["transpose_r_a3", "transpose_h_w48_a6", "prtr_r50", "rle_r50"])
def test_outputs_of_other_methods_equal_their_authors(name: str, parity_dir: Path) -> None:
    model = build_model(name).eval()
    load_official(model, peer_weights(parity_dir, name))
    expected = official_outputs(parity_dir / "peers", name)
    with torch.inference_mode():
        output = model(fixture_images())
    named = {"sigma": "sigmas", "score": "scores"}
    for field, theirs in expected.items():
        ours = output.heatmaps[:, :, ::2, ::2] if field == "pred" else getattr(output, named.get(field, field))
        error = float((ours.reshape(theirs.shape) - theirs).abs().max() / theirs.std())
        assert error < 1e-4, (field, error)


@pytest.mark.parametrize("name", NAMES)
def test_every_official_name_has_one_part_of_the_same_shape(name: str, parity_dir: Path) -> None:
    model = build_model(name)
    ours = model.state_dict()
    shapes = official_shapes(parity_dir, name)
    table = [key for key in shapes if key.endswith("pos_embedding")]
    assert [shapes.pop(key).shape for key in table] == [model.encoder.positions[:, model.encoder.joints :].shape]
    assert {official_name(model, key): value.shape for key, value in shapes.items()} == {
        key: value.shape for key, value in ours.items()
    }


def test_loading_copies_every_key() -> None:
    model = build_model("distilpose_s", **TINY)
    state = tiny_official()
    load_official(model, state)
    ours = model.state_dict()
    for key, value in state.items():
        assert torch.equal(ours[official_name(model, key)], value), key


def test_the_sine_table_may_be_there_and_must_be_ours() -> None:
    model = build_model("distilpose_s", **TINY)
    key = "keypoint_head.tokenhead.pos_embedding"
    table = model.encoder.positions[:, 3:].clone()
    load_official(model, tiny_official() | {key: table})
    table[0, 1, 2] += 0.01
    with pytest.raises(OfficialWeightsError, match=r"sine table: .*pos_embedding differs from ours by up to 0.01"):
        load_official(model, tiny_official() | {key: table})


def test_an_error_lists_every_key_and_copies_nothing() -> None:
    model = build_model("distilpose_s", **TINY)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = tiny_official()
    state["keypoint_head.tokenhead.mlp_head.1.weight"] = torch.zeros(2, 8)
    state["backbone.conv9.weight"] = torch.zeros(1)
    state["keypoint_head.tokenpose.keypoint_token"] = torch.zeros(1, 3, 8)
    state["keypoint_head.tokenhead.transformer_layer1.layers.0.0.fn.norm.weight"] = torch.zeros(8)
    del state["backbone.bn1.bias"]
    with pytest.raises(OfficialWeightsError) as caught:
        load_official(model, state)
    message = str(caught.value)
    assert "5 keys do not fit" in message
    assert "shape: keypoint_head.tokenhead.mlp_head.1.weight is (2, 8), the model's is (5, 8)" in message
    assert 'unknown: "backbone.conv9.weight" (1,)' in message
    assert 'unknown: "keypoint_head.tokenpose.keypoint_token" (1, 3, 8)' in message
    assert "double: keypoint_head.tokenhead.transformer_layer1.layers.0.0.fn.norm.weight" in message
    assert "missing: backbone.bn1.bias (4,)" in message
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_models_without_an_official_form_are_refused() -> None:
    with pytest.raises(ValueError, match="authors' names are known, got a Linear"):
        load_official(torch.nn.Linear(1, 1), {})


# What our names begin with, and what those of the authors' code do there, and of mmpose's where it has the model.
HEATMAPS = [
    {"backbone.": "", "deconvolutions.": "deconv_layers.", "final.": "final_layer."},
    {"backbone.": "backbone.", "deconvolutions.": "head.deconv_layers.", "final.": "head.final_layer."},
]
TRANSPOSE = [{**HEATMAPS[0], "reduce.": "reduce.", "encoder.": "global_encoder."}]
DETR = {
    "detr.encoder.": "transformer.encoder.layers.",
    "detr.decoder.": "transformer.decoder.layers.",
    "detr.norm.": "transformer.decoder.norm.",
    "detr.queries": "query_embed.weight",
    "detr.kpt_embed.": "kpt_embed.layers.",
    "detr.": "",
}
NAMED_THERE = {
    **dict.fromkeys(("simplebaseline_r50", "simplebaseline_r101", "simplebaseline_r152"), HEATMAPS),
    **dict.fromkeys(("hrnet_w32", "hrnet_w48"), HEATMAPS),
    **dict.fromkeys(("transpose_r_a4", "transpose_h_w32_a4", "transpose_h_w48_a4"), TRANSPOSE),
    "prtr_w32": [{"backbone.": "backbone.0.body.", **DETR}],
    # The authors publish no HRNet: the names are those of their ResNet.
    "rle_w48": [{"backbone.": "preact.", "coordinates.": "fc_coord.linear.", "sigmas.": "fc_sigma.linear."}],
    "deeppose_r50": [{"backbone.": "backbone.", "linear.": "head.fc."}],
}


@pytest.mark.parametrize(("name", "there"), [(name, one) for name, forms in NAMED_THERE.items() for one in forms])
def test_every_part_has_its_official_name(name: str, there: dict[str, str]) -> None:
    hrnet = resolve_spec(name).backbone == "hrnet"
    sizes = {"width": 4, **({"stem": 8} if hrnet else {}), **({"d_model": 8, "nhead": 2} if "detr." in there else {})}
    model, other = build_model(name, **sizes), build_model(name, **sizes, generator=torch.Generator())
    expected, state = other.state_dict(), {}
    for key, value in expected.items():
        ours = next(prefix for prefix in there if key.startswith(prefix))
        state[there[ours] + key.removeprefix(ours)] = value
    load_official(model, state)
    assert all(torch.equal(value, expected[key]) for key, value in model.state_dict().items())
