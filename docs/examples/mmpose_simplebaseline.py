"""mmpose's own SimpleBaseline (ResNet-50 at a quarter of its width), for its own Runner; docs/mmpose.md trains it."""

people = "mmpose/people/"
codec = dict(type="MSRAHeatmap", input_size=(64, 64), heatmap_size=(16, 16), sigma=2, unbiased=True)
model = dict(
    type="TopdownPoseEstimator",
    data_preprocessor=dict(
        type="PoseDataPreprocessor", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True
    ),
    backbone=dict(type="ResNet", depth=50, base_channels=16, stem_channels=16),
    head=dict(
        type="HeatmapHead",
        in_channels=512,
        out_channels=17,
        deconv_out_channels=(64, 64, 64),
        loss=dict(type="KeypointMSELoss", use_target_weight=True),
        decoder=codec,
    ),
    test_cfg=dict(flip_test=True, flip_mode="heatmap", shift_heatmap=False),
)
crop = [dict(type="LoadImage"), dict(type="GetBBoxCenterScale")]
train_pipeline = [
    *crop,
    dict(type="RandomFlip", direction="horizontal"),
    dict(type="RandomBBoxTransform", shift_factor=0.0, scale_factor=(0.85, 1.15), rotate_factor=15),
    dict(type="TopdownAffine", input_size=codec["input_size"]),
    dict(type="GenerateTarget", encoder=codec),
    dict(type="PackPoseInputs"),
]
val_pipeline = [*crop, dict(type="TopdownAffine", input_size=codec["input_size"]), dict(type="PackPoseInputs")]


def split(name, pipeline, **more):
    """A loader of one split of the people."""
    dataset = dict(
        type="CocoDataset",
        data_root=people,
        data_mode="topdown",
        ann_file=f"annotations/{name}.json",
        data_prefix=dict(img=f"images/{name}/"),
        pipeline=pipeline,
        **more,
    )
    shuffle = name == "train"
    return dict(batch_size=64, num_workers=0, sampler=dict(type="DefaultSampler", shuffle=shuffle), dataset=dataset)


train_dataloader = split("train", train_pipeline)
val_dataloader = test_dataloader = split("val", val_pipeline, test_mode=True)
val_evaluator = test_evaluator = dict(type="PCKAccuracy", thr=0.1)
del split

train_cfg = dict(by_epoch=True, max_epochs=30, val_interval=10)
val_cfg = test_cfg = dict()
optim_wrapper = dict(optimizer=dict(type="Adam", lr=1e-3))
param_scheduler = [
    dict(type="LinearLR", begin=0, end=50, start_factor=0.001, by_epoch=False),
    dict(type="MultiStepLR", begin=0, end=30, milestones=[22, 27], gamma=0.1, by_epoch=True),
]
default_scope = "mmpose"
default_hooks = dict(checkpoint=dict(type="CheckpointHook", interval=30, filename_tmpl="simplebaseline.pth"))
randomness = dict(seed=0)
