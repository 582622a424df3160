"""People as batches: COCO-format keypoint data, crops, augmentation, targets, and people drawn from a seed."""
