"""mmpose's own training samples of a split: its data set, its transforms of a top-down model, its normalisation."""

import io
import warnings
from contextlib import redirect_stdout
from typing import Any

import torch
from torch import Tensor

from distilpose.data.coco import PoseData
from distilpose.integrations.mmpose import import_mmpose


def mmpose_dataset(data: PoseData, input_size: tuple[int, int]) -> Any:
    """mmpose's CocoDataset of the split with the training pipeline that its configurations ship, but for targets.

    Targets are left out since ours are made from coordinates, on the device. Its random choices come from numpy's
    global generator.

    Raises:
        MMPoseMissingError: mmpose is not installed.
    """
    import_mmpose()
    from mmengine import DefaultScope
    from mmpose.datasets import CocoDataset

    with (
        DefaultScope.overwrite_default_scope("mmpose"),
        redirect_stdout(io.StringIO()),  # pycocotools prints
        warnings.catch_warnings(action="ignore"),  # mmpose says that it found its own file
    ):
        return CocoDataset(
            ann_file=str(data.annotation_file),
            data_prefix={"img": f"{data.image_dir}/"},
            data_mode="topdown",
            pipeline=[
                {"type": "LoadImage"},
                {"type": "GetBBoxCenterScale"},
                {"type": "RandomFlip", "direction": "horizontal"},
                {"type": "RandomHalfBody"},
                {"type": "RandomBBoxTransform"},
                {"type": "TopdownAffine", "input_size": input_size},
                {"type": "PackPoseInputs"},
            ],
        )


class MMPoseBatches:
    """Batches of such a data set as mmpose's model gets them: collated, turned to RGB and normalised on the CPU."""

    def __init__(self, data: PoseData, input_size: tuple[int, int], batch_size: int) -> None:
        self.dataset, self.batch_size = mmpose_dataset(data, input_size), batch_size
        from mmengine.dataset import pseudo_collate
        from mmpose.models import PoseDataPreprocessor

        self.collate = pseudo_collate
        self.preprocess = PoseDataPreprocessor(
            mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True
        )

    def epoch(self) -> list[Tensor]:
        """The pictures of everyone once, [batch, 3, height, width] each."""
        order = torch.randperm(len(self.dataset)).tolist()
        rows = [order[begin : begin + self.batch_size] for begin in range(0, len(order), self.batch_size)]
        return [self.preprocess(self.collate([self.dataset[row] for row in some]), True)["inputs"] for some in rows]
