"""mmpose configurations small enough for tests, and checkpoints of them as its Runner writes them."""

from pathlib import Path
from typing import Any

import torch

HEATMAPS = """
model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(
        type='PoseDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True),
    backbone=dict(type='ResNet', depth=18, base_channels=8, stem_channels=8, init_cfg=dict(
        type='Pretrained', checkpoint='torchvision://resnet18')),
    head=dict(
        type='HeatmapHead', in_channels=64, out_channels=17, deconv_out_channels=(8, 8, 8),
        loss=dict(type='KeypointMSELoss', use_target_weight=True),
        decoder=dict(type='MSRAHeatmap', input_size=(64, 64), heatmap_size=(16, 16), sigma=2)))
train_dataloader = dict(dataset=dict(type='CocoDataset'))
"""

COORDINATES = """
model = dict(
    type='TopdownPoseEstimator',
    backbone=dict(type='ResNet', depth=18, base_channels=8, stem_channels=8),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='RegressionHead', in_channels=64, num_joints=17))
train_dataloader = dict(dataset=dict(type='CocoDataset'))
"""


BASE = """
model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(
        type='PoseDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True),
    backbone=dict(type='ResNet', depth=18, base_channels=8, stem_channels=8, init_cfg=dict(
        type='Pretrained', checkpoint='torchvision://resnet18')))
"""
MEAN = "neck=dict(type='GlobalAveragePooling'), "
CODEC = "decoder=dict(type='RegressionLabel', input_size=(64, 64))"
HEADS = {
    "heatmap": "head=dict(type='HeatmapHead', in_channels=64, out_channels=17, deconv_out_channels=(8, 8, 8), "
    "loss=dict(type='KeypointMSELoss', use_target_weight=True), "
    "decoder=dict(type='MSRAHeatmap', input_size=(64, 64), heatmap_size=(16, 16), sigma=2))",
    "regression": f"{MEAN}head=dict(type='RegressionHead', in_channels=64, num_joints=17, "
    f"loss=dict(type='SmoothL1Loss', use_target_weight=True), {CODEC})",
    "rle": f"{MEAN}head=dict(type='RLEHead', in_channels=64, num_joints=17, "
    f"loss=dict(type='RLELoss', use_target_weight=True), {CODEC})",
    "simcc": "head=dict(type='SimCCHead', in_channels=64, out_channels=17, input_size=(64, 64), "
    "in_featuremap_size=(2, 2), simcc_split_ratio=2.0, deconv_out_channels=None, "
    "loss=dict(type='KLDiscretLoss', use_target_weight=True), "
    "decoder=dict(type='SimCCLabel', input_size=(64, 64), sigma=6.0, simcc_split_ratio=2.0))",
}


def write_students(folder: Path) -> None:
    """A configuration of each head as `NAME.py`, all with one base."""
    (folder / "base.py").write_text(BASE)
    for name, head in HEADS.items():
        (folder / f"{name}.py").write_text(f"_base_ = ['base.py']\nmodel = dict({head})\n")


def write_teacher(folder: Path, *, config: str = HEATMAPS, notes: dict[str, Any] | None = None) -> tuple[Path, Path]:
    """The configuration and a checkpoint of it with weights drawn from a seed, as files."""
    from distilpose.integrations.mmpose import import_mmpose

    import_mmpose()
    from mmengine import Config, DefaultScope
    from mmpose.registry import MODELS

    folder.mkdir(parents=True, exist_ok=True)
    files = folder / "config.py", folder / "weights.pth"
    files[0].write_text(config, encoding="utf-8")
    with torch.random.fork_rng(), DefaultScope.overwrite_default_scope("mmpose"):
        torch.manual_seed(5)
        estimator = MODELS.build(Config.fromfile(files[0]).model)
    torch.save({"state_dict": estimator.state_dict(), **(notes or {})}, files[1])
    return files
