"""mmpose's models as rows: heatmap, regression, RLE and SimCC heads, by their own losses and by ours."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_mmpose import BASE, HEADS, write_students

from distilpose.data.stream import Batch
from distilpose.losses.criteria import LossCriterion
from distilpose.losses.use import Losses
from distilpose.models.builders import build_from_spec
from distilpose.models.use import ModelUse, find_model_part, places_of_model, read_model
from distilpose.parts.signature import PartError

pytest.importorskip("mmpose", reason="the extra mmpose is not installed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration of each head, all with one base."""
    write_students(tmp_path)
    return tmp_path


def built(folder: Path, name: str, *, joints: int = 17, seed: int = 0, size: tuple[int, int] = (64, 64)) -> Any:
    read, faults = read_model({"model": f"mmpose:{name}.py"}, folder, beside=())
    assert faults == []
    use = ModelUse(**read)
    for code, place in places_of_model(use, folder).items():
        place.keep_in(folder / "parts" / code)
    return build_from_spec(use.spec(joints=joints, input_size=size), seed=seed, parts=folder / "parts")


@pytest.fixture
def batch() -> Batch:
    draw = torch.Generator().manual_seed(0)
    seen = torch.ones(3, 17)
    seen[:, 4] = 0
    points = 0.2 + 0.6 * torch.rand(3, 17, 2, generator=draw)
    images = torch.randn(3, 3, 64, 64, generator=draw)
    return Batch(images, points, seen, torch.arange(3), torch.zeros(3, 2), torch.ones(3, 2), seen)


def mmposes(model: Any, batch: Batch) -> tuple[Any, list[Any]]:
    """The estimator and the samples that mmpose's own target transforms make."""
    from mmpose.datasets.transforms import GenerateTarget, PackPoseInputs

    estimator, samples = model.estimator, []
    for points, seen in zip(batch.keypoints.numpy(), batch.labelled.numpy(), strict=True):
        about = {
            "transformed_keypoints": points[None] * 64,
            "keypoints": points[None] * 64,
            "keypoints_visible": seen[None],
            "dataset_keypoint_weights": np.ones(17, np.float32),
            "img": np.zeros((64, 64, 3), np.uint8),
            "input_size": (64, 64),
        }
        target = GenerateTarget(encoder={"type": "RegressionLabel", "input_size": (64, 64)})
        target.encoder = estimator.head.decoder
        samples.append(PackPoseInputs(meta_keys=("input_size",))(target(about))["data_samples"])
    return estimator, samples


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", HEADS)
def test_its_own_loss_is_mmposes_and_reaches_every_parameter(folder: Path, name: str, batch: Batch) -> None:
    model = built(folder, name).train()
    criterion = LossCriterion(Losses.of({"own": 2}))
    statistics = {key: value.clone() for key, value in model.state_dict().items() if "running" in key}
    (own,) = criterion(model(batch.images), batch).values()
    own.backward()
    assert [key for key, value in model.named_parameters() if value.grad is None] == []

    model.load_state_dict(statistics, strict=False)
    estimator, samples = mmposes(model, batch)
    expected = estimator.head.loss(estimator.extract_feat(batch.images), samples, train_cfg={})["loss_kpt"]
    torch.testing.assert_close(own, 2 * expected)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["regression", "rle", "simcc"])
def test_it_is_read_as_its_codec_decodes(folder: Path, name: str, batch: Batch) -> None:
    model = built(folder, name).eval()
    with torch.no_grad():
        points = model(batch.images).points()
        found = model.estimator.head.predict(model.estimator.extract_feat(batch.images), None)
    np.testing.assert_allclose(
        points.keypoints.numpy() * 64, np.concatenate([one.keypoints for one in found]), rtol=1e-5
    )
    np.testing.assert_allclose(points.scores, np.concatenate([one.keypoint_scores for one in found]), rtol=1e-5)


@pytest.mark.parametrize("name", HEADS)
def test_its_start_is_drawn_from_the_seed_and_its_joints_are_the_datas(folder: Path, name: str) -> None:
    one, same, other = (built(folder, name, joints=5, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(value, same[key]) for key, value in one.items())
    assert any(not torch.equal(value, other[key]) for key, value in one.items())
    model = built(folder, name, joints=5).eval()
    assert model(torch.zeros(1, 3, 64, 64)).points().keypoints.shape == (1, 5, 2)


def test_heatmaps_and_coordinates_learn_by_our_losses(folder: Path, batch: Batch) -> None:
    for name, losses in (("heatmap", {"heatmap": 1}), ("rle", {"reg": 1}), ("regression", {"reg": 1, "own": 1})):
        model = built(folder, name)
        terms = LossCriterion(Losses.of(losses))(model(batch.images), batch)
        assert all(bool(torch.isfinite(term)) for term in terms.values())


def test_what_it_inherits_is_part_of_its_code_and_no_other_file(folder: Path) -> None:
    digest = lambda: find_model_part("mmpose:rle.py", folder, "model")[0].digest  # noqa: E731
    before = digest()
    (folder / "simcc.py").write_text("model = 1\n")
    (folder / "base.py").write_text(BASE + "# a remark\n")
    assert digest() == before
    (folder / "base.py").write_text(BASE.replace("depth=18", "depth=34"))
    assert digest() != before


def test_what_cannot_be_trained_is_refused(folder: Path) -> None:
    (folder / "ae.py").write_text("model = dict(head=dict(type='AssociativeEmbeddingHead'))\n")
    for name, message in (
        ("mmpose:none.py", "must name a Python configuration, got 'mmpose:none.py'"),
        ("mmpose:ae.py", "must have one of the heads HeatmapHead, .* got AssociativeEmbeddingHead"),
        ("mmpose:base.py", "must have one of the heads HeatmapHead, .* got none written out"),
        ("mmpose::body_2d_keypoint/none.py", "ships no such configuration"),
    ):
        with pytest.raises(PartError, match=message):
            find_model_part(name, folder, "model")
    with pytest.raises(PartError, match="must be for the recipe's input_size, got 64x64 and 48x64"):
        built(folder, "rle", size=(48, 64))
    (folder / "rle.py").write_text((folder / "rle.py").read_text().replace("in_channels=64", "in_channels='x'"))
    with pytest.raises(PartError, match="failed as it was built: "):
        built(folder, "rle")


def test_one_that_mmpose_ships_is_named(folder: Path) -> None:
    name = "mmpose::body_2d_keypoint/topdown_regression/coco/td-reg_res50_rle-8xb64-210e_coco-256x192.py"
    place, signature = find_model_part(name, folder, "model")
    assert signature.gives == ("keypoints", "learn")
    assert place.files[0].name.startswith("td-reg_res50_rle")
