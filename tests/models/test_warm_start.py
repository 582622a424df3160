"""Backbones from ImageNet and from a teacher; the download is faked at torch hub's door."""

from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from distilpose.models import build_model, load_imagenet, load_part
from distilpose.models.warm_start import WarmStartError

SMALL = {"input_size": (32, 32), "dim": 8, "depth": 1, "heads": 2, "patch": (8, 8)}


def test_a_student_takes_the_backbone_of_a_longer_teacher() -> None:
    teacher = build_model("teacher_tokenpose_l", width=2, stem=4, **SMALL)
    student = build_model("distilpose_l", width=2, stem=4, generator=torch.Generator().manual_seed(9), **SMALL)
    head = student.head.linear.weight.clone()
    load_part(student, teacher.state_dict(), "backbone")
    theirs = teacher.backbone.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in student.backbone.state_dict().items())
    assert torch.equal(head, student.head.linear.weight)


def test_another_backbone_or_width_is_refused_and_nothing_copied() -> None:
    student = build_model("distilpose_s", width=4, **SMALL)
    before = {name: value.clone() for name, value in student.state_dict().items()}
    with pytest.raises(WarmStartError, match=r"backbone.conv1.weight is \(8, 3, 3, 3\) .* give both the same backbone"):
        load_part(student, build_model("teacher_stemnet", width=8, **SMALL).state_dict(), "backbone")
    state = build_model("teacher_stemnet", width=4, **SMALL).state_dict()
    shorter = {name: value for name, value in state.items() if "layer1.1" not in name}
    with pytest.raises(WarmStartError, match=r"has no backbone.layer1.1.conv1.weight; give both the same backbone"):
        load_part(student, shorter, "backbone")
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())


def test_imagenet_weights_fill_the_backbone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = build_model("deeppose_r50")
    file = {f"{name}": torch.ones_like(value) for name, value in model.backbone.state_dict().items()}
    file = {name: value for name, value in file.items() if not name.endswith("num_batches_tracked")}
    asked = {}

    def load(url: str, **options: object) -> dict[str, torch.Tensor]:
        asked.update(options, url=url)
        return file | {"fc.weight": torch.ones(1000, 2048)}

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", load)
    assert load_imagenet(model, directory=str(tmp_path)) == ()
    assert model.backbone.layer4[2].conv3.weight.eq(1).all()
    assert asked["url"].endswith("resnet50-0676ba61.pth")
    assert asked["check_hash"] is True
    assert asked["weights_only"] is True
    assert asked["model_dir"] == str(tmp_path)


def test_offline_says_where_to_put_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def load(url: str, **options: object) -> None:
        raise URLError("no route")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", load)
    with pytest.raises(WarmStartError, match=r"could not be downloaded .*no route.* put the file into") as caught:
        load_imagenet(build_model("deeppose_r50"), directory=str(tmp_path))
    assert str(tmp_path) in str(caught.value)


def test_a_file_with_another_checksum_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(url: str, **options: object) -> None:
        raise RuntimeError('invalid hash value (expected "0676ba61", got "00")')

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", load)
    with pytest.raises(WarmStartError, match="is not the published one: invalid hash"):
        load_imagenet(build_model("deeppose_r50"))


def test_only_a_non_standard_first_layer_may_stay_fresh(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model = build_model("tokenpose_hr32_stage3")
    standard = build_model("tokenpose_hr32_stage3").backbone.state_dict()
    file = {
        name: torch.zeros(1) if name.startswith(("layer1.", "transition1.")) else value
        for name, value in standard.items()
        if not name.endswith("num_batches_tracked")
    }
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda url, **options: {"state_dict": file})
    fresh = load_imagenet(model)
    assert {name.split(".")[0] for name in fresh} == {"layer1", "transition1"}
    assert "start fresh" in caplog.text
    del file["stage3.0.branches.0.0.conv1.weight"]
    with pytest.raises(WarmStartError, match=r"lacks 1 parts of this backbone, such as stage3.0.branches.0.0.conv1"):
        load_imagenet(model)


def test_backbones_without_imagenet_weights_are_named() -> None:
    with pytest.raises(WarmStartError, match=r"exist for hrnet of width 32, .* got StemNet"):
        load_imagenet(build_model("distilpose_s", width=4, **SMALL))
    with pytest.raises(WarmStartError, match="got hrnet of width 2"):
        load_imagenet(build_model("distilpose_l", width=2, stem=4, **SMALL))
