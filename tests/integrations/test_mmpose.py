"""mmpose's heatmap models as teachers: what is accepted, what is refused, and in which order joints come."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_mmpose import COORDINATES, HEATMAPS, write_teacher

from distilpose.data.skeleton import COCO
from distilpose.integrations import mmpose as integration
from distilpose.integrations import mmpose_configs
from distilpose.integrations.mmpose import (
    MMPoseTeacher,
    MMPoseTeacherError,
    build_teacher,
    channel_change,
)
from distilpose.integrations.mmpose_configs import MMPoseConfigError, MMPoseMissingError, config_file
from distilpose.models import HeatmapOutput
from distilpose.models.conversion import CheckpointFileError

SIZE = (64, 64)
IMAGENET = {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375], "bgr_to_rgb": True}


class Evil:
    """Runs code when unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('ran')",)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    integration.import_mmpose()
    from mmengine.logging import HistoryBuffer

    notes = {
        "meta": {"epoch": 2, "dataset_meta": {"sigmas": np.array(COCO.sigmas)}},
        "message_hub": {"log_scalars": {"train/loss": HistoryBuffer([0.5, 0.4], [1, 1])}},
        "optimizer": {"state": {0: {"step": 5}}},
    }
    return write_teacher(tmp_path_factory.mktemp("teacher"), notes=notes)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(2, 3, SIZE[1], SIZE[0], generator=torch.Generator().manual_seed(0))


def test_without_the_extra_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(mmpose_configs, "find_spec", lambda name: None)
    integration.import_mmpose.cache_clear()
    with pytest.raises(MMPoseMissingError, match="uv sync --extra mmpose") as caught:
        build_teacher(tmp_path / "config.py", tmp_path / "weights.pth", joints=COCO.names, input_size=SIZE)
    assert "\n" not in str(caught.value)


def test_configurations_that_mmpose_ships_are_found_by_name() -> None:
    name = "body_2d_keypoint/topdown_heatmap/coco/td-hm_res50_8xb64-210e_coco-256x192.py"
    assert config_file(f"mmpose::{name}").read_text().startswith("_base_")
    assert config_file("own/file.py") == Path("own/file.py")
    for wrong in ("mmpose::none.py", "mmpose::../../__init__.py", f"mmdet::{name}"):
        with pytest.raises(MMPoseConfigError, match=f"ships no such configuration, got '{wrong}'"):
            config_file(wrong)


def test_a_teacher_gives_mmposes_own_heatmaps(files: tuple[Path, Path], images: torch.Tensor) -> None:
    state = torch.random.get_rng_state()
    teacher = build_teacher(*files, joints=COCO.names, input_size=SIZE)
    assert torch.equal(torch.random.get_rng_state(), state)
    output = teacher(images)
    assert isinstance(output, HeatmapOutput)
    assert output.heatmaps.shape == (2, 17, 16, 16)
    assert output.visual_tokens is None
    assert output.keypoint_tokens is None
    assert torch.equal(output.heatmaps, teacher.estimator(images, None, mode="tensor"))
    # The weights are the file's, and the model is frozen as evaluation has it.
    saved = torch.load(files[1], weights_only=False)["state_dict"]
    assert all(torch.equal(value, saved[name]) for name, value in teacher.estimator.state_dict().items())
    assert not teacher.training
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


def test_joints_come_by_name_in_the_order_of_the_data(files: tuple[Path, Path], images: torch.Tensor) -> None:
    names = ("right_ankle", "nose", "left_hip")
    few = build_teacher(*files, joints=names, input_size=SIZE)(images).heatmaps
    every = build_teacher(*files, joints=COCO.names, input_size=SIZE)(images).heatmaps
    assert torch.equal(few, every[:, [COCO.names.index(name) for name in names]])


def test_joints_the_teacher_does_not_know_are_listed(files: tuple[Path, Path]) -> None:
    with pytest.raises(MMPoseTeacherError, match=r"missing neck, head_top; it has nose, left_eye"):
        build_teacher(*files, joints=("nose", "neck", "head_top"), input_size=SIZE)


def test_models_that_give_no_heatmaps_of_a_quarter_are_refused(tmp_path: Path) -> None:
    pair = write_teacher(tmp_path / "coordinates", config=COORDINATES)
    with pytest.raises(MMPoseTeacherError, match="must return heatmaps"):
        build_teacher(*pair, joints=COCO.names, input_size=SIZE)
    half = HEATMAPS.replace("(8, 8, 8)", "(8, 8, 8, 8)").replace(
        "in_channels=64,", "in_channels=64, deconv_kernel_sizes=(4, 4, 4, 4),"
    )
    with pytest.raises(MMPoseTeacherError, match="quarter of the 64x64 crop, got 32x32"):
        build_teacher(*write_teacher(tmp_path / "half", config=half), joints=COCO.names, input_size=SIZE)
    fewer = HEATMAPS.replace("out_channels=17", "out_channels=16")
    with pytest.raises(MMPoseTeacherError, match="each of its 17 joints, got 16"):
        build_teacher(*write_teacher(tmp_path / "fewer", config=fewer), joints=COCO.names, input_size=SIZE)


def test_another_models_weights_and_programs_are_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    config, checkpoint = files
    state = torch.load(checkpoint, weights_only=False)["state_dict"]
    other = tmp_path / "other.pth"
    torch.save({"state_dict": {name: value for name, value in state.items() if "final" not in name}}, other)
    with pytest.raises(MMPoseTeacherError, match=r"lacks head.final_layer.weight, head.final_layer.bias"):
        build_teacher(config, other, joints=COCO.names, input_size=SIZE)
    torch.save({"state_dict": state | {"head.final_layer.bias": torch.zeros(3)}}, other)
    with pytest.raises(MMPoseTeacherError, match=r"other.pth: must hold the weights of .*size mismatch"):
        build_teacher(config, other, joints=COCO.names, input_size=SIZE)
    torch.save({"state_dict": state, "meta": Evil()}, other)
    with pytest.raises(CheckpointFileError, match="holds exec, which would be run"):
        build_teacher(config, other, joints=COCO.names, input_size=SIZE)


class Says(torch.nn.Module):
    """Says the same of every picture, and remembers what it was shown."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output

    def forward(self, inputs: torch.Tensor, samples: Any, mode: str) -> Any:
        self.seen = inputs
        return self.output


def test_pictures_are_changed_for_a_model_trained_on_others(images: torch.Tensor) -> None:
    assert channel_change(IMAGENET).is_none
    mean, std = (torch.tensor(numbers)[:, None, None] for numbers in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    raw = 255 * (images * std + mean)
    blue_first = {"mean": [10.0, 20.0, 30.0], "std": [2.0, 4.0, 8.0]}
    spies = [Says(torch.zeros(2, 1, 16, 16)) for _ in range(2)]
    for spy, preprocessor in zip(spies, (blue_first, {}), strict=True):
        MMPoseTeacher(spy, order=[0], change=channel_change(preprocessor))(images)
    mean, std = (torch.tensor(blue_first[name])[:, None, None] for name in ("mean", "std"))
    torch.testing.assert_close(spies[0].seen, (raw.flip(1) - mean) / std, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(spies[1].seen, raw.flip(1), atol=1e-3, rtol=1e-5)


def test_the_last_stage_teaches_and_tokens_pass_where_there_are_any(images: torch.Tensor) -> None:
    first, last = torch.zeros(2, 3, 16, 16), torch.arange(3.0)[None, :, None, None].expand(2, 3, 16, 16)
    tokens = torch.arange(3.0)[None, :, None].expand(2, 3, 8)
    stages = MMPoseTeacher(Says([[first], [last]]), order=[2, 0], change=channel_change(IMAGENET))
    assert torch.equal(stages(images).heatmaps, last[:, [2, 0]])
    said = HeatmapOutput(last, visual_tokens=torch.ones(2, 5, 8), keypoint_tokens=tokens)
    with_tokens = MMPoseTeacher(Says(said), order=[2, 0], change=channel_change(IMAGENET))
    assert torch.equal(with_tokens(images).keypoint_tokens, tokens[:, [2, 0]])
    assert torch.equal(with_tokens(images).visual_tokens, torch.ones(2, 5, 8))
    assert with_tokens(images, attention=True).attention is None


def test_vitpose_is_built_with_the_backbone_of_mmpretrain(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mmpretrain", reason="mmpretrain is not installed")
    integration.import_mmpose()
    from mmengine import Config

    name = "td-hm_ViTPose-small_8xb64-210e_coco-256x192.py"
    cfg = Config.fromfile(config_file(f"mmpose::body_2d_keypoint/topdown_heatmap/coco/{name}"))
    cfg.model.backbone.arch = {"embed_dims": 16, "num_layers": 1, "num_heads": 2, "feedforward_channels": 32}
    cfg.model.head.in_channels = 16
    estimator = integration.build_estimator(cfg)
    assert estimator(torch.zeros(1, 3, 256, 192), None, mode="tensor").shape == (1, 17, 64, 48)
    monkeypatch.setattr(integration, "find_spec", lambda name: None)
    integration._import_mmpretrain.cache_clear()
    with pytest.raises(MMPoseMissingError, match=r"mmpretrain: is not installed, .* `uv sync --extra mmpose`, or"):
        integration.build_estimator(cfg)
