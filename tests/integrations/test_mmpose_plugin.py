"""Our students, heads and losses in mmpose's own training."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from small_mmpose import write_teacher

from distilpose.integrations.mmpose import build_runner, read_checkpoint
from distilpose.losses.heatmap import heatmap_loss
from distilpose.losses.regression import regression_loss

STUDENT = """
_base_ = ['mmpose::_base_/default_runtime.py']
custom_imports = dict(imports=['distilpose.integrations.mmpose_plugin'])

codec = dict(type='RegressionLabel', input_size=(64, 64))
model = dict(
    type='DistilPoseEstimator',
    data_preprocessor=dict(
        type='PoseDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True),
    backbone=dict(
        type='DistilPoseStudent', model='distilpose_s', input_size=(64, 64), patch=(4, 4), width=4, dim=16, depth=1,
        heads=2),
    head=dict(type='DistilPoseHead', losses=dict(reg=1, SH=1, CS=1e-2), decoder=codec),
    teacher=dict(config=TEACHER, checkpoint=CHECKPOINT),
    test_cfg=dict(flip_test=True, shift_coords=True))

train_cfg = dict(max_epochs=2, val_interval=2)
optim_wrapper = dict(optimizer=dict(type='Adam', lr=1e-3))
default_hooks = dict(checkpoint=dict(interval=2), logger=dict(interval=1))

pipeline = [
    dict(type='LoadImage'), dict(type='GetBBoxCenterScale'), dict(type='TopdownAffine', input_size=(64, 64))]
train_dataloader = dict(
    batch_size=8, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='CocoDataset', data_root=DATA, data_mode='topdown', indices=16,
        ann_file='annotations/person_keypoints_train2017.json', data_prefix=dict(img='train2017/'),
        pipeline=[*pipeline, dict(type='GenerateTarget', encoder=codec), dict(type='PackPoseInputs')]))
val_dataloader = dict(
    batch_size=8, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='CocoDataset', data_root=DATA, data_mode='topdown', test_mode=True, indices=12,
        ann_file='annotations/person_keypoints_val2017.json', data_prefix=dict(img='val2017/'),
        pipeline=[*pipeline, dict(type='PackPoseInputs')]))
val_evaluator = dict(type='CocoMetric', ann_file=DATA + '/annotations/person_keypoints_val2017.json')
test_dataloader = val_dataloader
test_evaluator = val_evaluator
"""


def student_config(folder: Path, data: Path, **changes: str) -> Path:
    """A configuration that trains a small student of ours on a few people under a teacher of mmpose's."""
    teacher, checkpoint = write_teacher(folder / "teacher")
    text = STUDENT
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    values = {"TEACHER": teacher, "CHECKPOINT": checkpoint, "DATA": data}
    named = "".join(f"{name} = {str(value)!r}\n" for name, value in values.items())
    file = folder / "student.py"
    file.write_text(named + text, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def registry() -> Any:
    from distilpose.integrations import mmpose_plugin

    return mmpose_plugin.MODELS


@pytest.mark.filterwarnings("ignore")  # mmengine's and mmpose's own
def test_mmposes_runner_trains_a_student_of_ours(tmp_path: Path, coco_mini_dir: Path) -> None:
    runner = build_runner(student_config(tmp_path, coco_mini_dir), work_dir=tmp_path / "work")
    before = {name: value.clone() for name, value in runner.model.state_dict().items()}
    runner.train()
    scalars = runner.message_hub.log_scalars
    assert {"train/loss_reg", "train/loss_SH", "train/loss_CS"} <= set(scalars)
    assert len(scalars["train/loss"].data[0]) == 4
    assert all(math.isfinite(value) for value in scalars["train/loss"].data[0])
    assert 0 <= scalars["val/coco/AP"].current() <= 1
    after = runner.model.state_dict()
    assert not torch.equal(before["backbone.student.head.linear.weight"], after["backbone.student.head.linear.weight"])
    # What the Runner saves is read back without running it, and holds the student alone.
    saved = read_checkpoint(tmp_path / "work" / "epoch_2.pth")
    assert set(saved) == set(after)
    assert all(name.startswith("backbone.student.") for name in saved)


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ({"reg": 1}, "no loss trains the score, so give the student score=False"),
        ({"CS": 1}, "no loss trains the sigma"),
    ],
)
def test_an_untrained_score_is_refused(registry: Any, losses: dict[str, float], message: str) -> None:
    sizes = {"input_size": [32, 32], "patch": [4, 4], "width": 4, "dim": 16, "depth": 1, "heads": 2}
    student = registry.build({"type": "DistilPoseStudent", "model": "distilpose_s", **sizes})
    decoder = {"type": "RegressionLabel", "input_size": (32, 32)}
    head = registry.build({"type": "DistilPoseHead", "losses": losses, "decoder": decoder})
    with pytest.raises(ValueError, match=message):
        head(student(torch.zeros(1, 3, 32, 32)))


def test_a_token_head_reads_any_backbones_features(registry: Any) -> None:
    decoder = {"type": "RegressionLabel", "input_size": (32, 64)}
    sizes = {"in_channels": 6, "features_size": (8, 16), "num_joints": 5, "dim": 16, "depth": 1, "heads": 2}
    head = registry.build(
        {"type": "DistilPoseTokenHead", "losses": {"reg": 1, "CS": 1}, "decoder": decoder, "patch": (4, 4), **sizes}
    )
    output = head((torch.zeros(2, 3, 4, 4), torch.randn(2, 6, 16, 8)))
    assert output.keypoints.shape == (2, 5, 2)
    assert output.scores.shape == (2, 5)
    assert output.sigmas is None
    assert output.visual_tokens.shape == (2, 8, 16)


def test_losses_are_ours_in_the_shapes_of_mmposes_heads(registry: Any) -> None:
    draw = torch.Generator().manual_seed(0)
    pred, target = torch.rand(2, 2, 3, 2, generator=draw)
    weight = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    loss = registry.build({"type": "DistilPoseRegressionLoss", "loss_weight": 2.0})
    for given in (weight[..., None], weight[..., None].expand(2, 3, 2)):
        torch.testing.assert_close(loss(pred, target, given), 2 * regression_loss(pred, target, weight))
    maps, wanted = torch.rand(2, 2, 3, 4, 4, generator=draw)
    loss = registry.build({"type": "DistilPoseHeatmapLoss", "loss_weight": 3.0})
    torch.testing.assert_close(loss(maps, wanted, weight), 3 * heatmap_loss(maps, wanted, weight))
