"""Our students, heads and losses in mmpose's `MODELS`, for its own training; importing this file registers them.

An mmpose configuration names it: `custom_imports = dict(imports=["distilpose.integrations.mmpose_plugin"])`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from distilpose.data.skeleton import COCO
from distilpose.data.stream import Batch
from distilpose.evaluation.flip import FlipTest
from distilpose.heads.heatmap import HeatmapOutput
from distilpose.heads.regression import RegressionHead, RegressionOutput
from distilpose.integrations.mmpose import MMPoseTeacher, build_teacher, import_mmpose
from distilpose.losses.criteria import LossCriterion
from distilpose.losses.heatmap import heatmap_loss
from distilpose.losses.regression import regression_loss
from distilpose.losses.use import Losses
from distilpose.models.builders import build_model
from distilpose.models.encoder import TokenEncoder
from distilpose.models.init import initialise

import_mmpose()  # where mmpose cannot be imported yet, it can after this

from mmengine.model import BaseModule  # noqa: E402
from mmpose.models.heads.base_head import BaseHead  # noqa: E402
from mmpose.models.pose_estimators import TopdownPoseEstimator  # noqa: E402
from mmpose.registry import KEYPOINT_CODECS, MODELS  # noqa: E402


@MODELS.register_module()
class DistilPoseStudent(BaseModule):  # type: ignore[misc]
    """A student by the name and sizes of `build_model`, initialised from `seed`; its features are its output."""

    def __init__(self, model: str, *, seed: int = 0, init_cfg: Any = None, **sizes: Any) -> None:
        super().__init__(init_cfg)
        sizes = {name: tuple(size) if isinstance(size, list) else size for name, size in sizes.items()}
        self.student = build_model(model, generator=torch.Generator().manual_seed(seed), **sizes)

    def forward(self, images: Tensor) -> RegressionOutput:
        """Return coordinates and tokens."""
        return self.student(images)  # type: ignore[no-any-return]


@MODELS.register_module()
class DistilPoseHead(BaseHead):  # type: ignore[misc]
    """What our students learn by and are read by: `losses` are those of a sweep: {"reg": 1, "KT": 5e-4, ...}."""

    def __init__(self, losses: Mapping[str, Any], decoder: Mapping[str, Any], init_cfg: Any = None) -> None:
        super().__init__(init_cfg)
        self.criterion = LossCriterion(Losses.of(losses))
        self.decoder = KEYPOINT_CODECS.build(decoder)

    def forward(self, feats: Any) -> RegressionOutput:
        """Return the student's output as it is.

        Raises:
            ValueError: the backbone is no DistilPoseStudent, or has outputs that these losses do not train.

        """
        if not isinstance(feats, RegressionOutput):
            raise ValueError(f"DistilPoseHead: needs the backbone DistilPoseStudent, got a {type(feats).__name__}")
        for option, needed in self.criterion.losses.head_options("regression").items():
            if (getattr(feats, f"{option}s") is not None) != needed:
                what = "one loss trains" if needed else "no loss trains"
                raise ValueError(f"losses: {what} the {option}, so give the student {option}={needed}")
        return feats

    def loss(
        self, feats: Any, batch_data_samples: Any, train_cfg: Any = None, teacher: HeatmapOutput | None = None
    ) -> dict[str, Tensor]:
        """Return the weighted terms as mmengine sums and logs them."""
        labels = [sample.gt_instance_labels for sample in batch_data_samples]
        keypoints = torch.cat([label.keypoint_labels for label in labels])
        visible = torch.cat([label.keypoint_weights for label in labels])
        nothing = keypoints.new_empty(0)
        batch = Batch(
            images=nothing,
            keypoints=keypoints,
            visible=visible,
            index=nothing,
            center=nothing,
            scale=nothing,
            labelled=visible,
        )
        terms = self.criterion(self(feats), batch, teacher)
        return {f"loss_{name}": term for name, term in terms.items()}

    def predict(self, feats: Any, batch_data_samples: Any, test_cfg: Any = None) -> Any:
        """Return each person's joints in pixels of the crop; the flip test is ours, by `test_cfg` as mmpose's."""
        test_cfg = test_cfg or {}
        output = self(feats[0]) if test_cfg.get("flip_test") else self(feats)
        if test_cfg.get("flip_test"):
            about = batch_data_samples[0].metainfo
            how = FlipTest(coordinates="pixel" if test_cfg.get("shift_coords", True) else "official")
            output = output.merged(self(feats[1]), about["flip_indices"], about["input_size"][0], how)
        points = output.points()
        people = self.decode(points.keypoints[:, None])
        if points.has_scores:
            for person, score in zip(people, points.scores.cpu().numpy(), strict=True):
                person.keypoint_scores = score[None]
        return people


@MODELS.register_module()
class DistilPoseTokenHead(DistilPoseHead):
    """The same behind a token encoder of its own, on the last features of any backbone.

    `features_size` is their (width, height), `patch` the (rows, columns) of them in a token. Without CS the head
    has no score, without SH no sigma.
    """

    def __init__(
        self,
        in_channels: int,
        features_size: Sequence[int],
        num_joints: int,
        losses: Mapping[str, Any],
        decoder: Mapping[str, Any],
        *,
        patch: Sequence[int] = (4, 3),
        dim: int = 192,
        depth: int = 12,
        heads: int = 8,
        seed: int = 0,
        init_cfg: Any = None,
    ) -> None:
        super().__init__(losses, decoder, init_cfg)
        self.encoder = TokenEncoder(
            channels=in_channels,
            features_size=(features_size[0], features_size[1]),
            patch=(patch[0], patch[1]),
            joints=num_joints,
            dim=dim,
            depth=depth,
            heads=heads,
        )
        self.readings = RegressionHead(dim, **self.criterion.losses.head_options("regression"))
        initialise(self, seed)

    def forward(self, feats: Any) -> RegressionOutput:
        """Return coordinates and tokens."""
        tokens, maps = self.encoder.encode(self.encoder.embed(feats[-1]), attention=False)
        keypoint_tokens, visual_tokens = self.encoder.split(tokens)
        output: RegressionOutput = self.readings(keypoint_tokens)
        return output._replace(visual_tokens=visual_tokens, keypoint_tokens=keypoint_tokens, attention=maps)


@MODELS.register_module()
class DistilPoseEstimator(TopdownPoseEstimator):  # type: ignore[misc]
    """mmpose's top-down estimator with a frozen teacher, which is neither trained nor saved with it."""

    def __init__(self, *, teacher: Mapping[str, Any] | None = None, **parts: Any) -> None:
        super().__init__(**parts)
        # In a tuple, where neither optimisers nor checkpoints find it.
        self.frozen = () if teacher is None else (_estimators_teacher(teacher, self.head),)

    def loss(self, inputs: Tensor, data_samples: Any) -> dict[str, Tensor]:
        """Return the head's terms, learnt from the teacher too where there is one."""
        said = None
        for teacher in self.frozen:
            with torch.no_grad():
                said = teacher.to(inputs.device)(inputs)
        feats = self.extract_feat(inputs)
        losses: dict[str, Tensor] = self.head.loss(feats, data_samples, train_cfg=self.train_cfg, teacher=said)
        return losses


@MODELS.register_module()
class DistilPoseRegressionLoss(nn.Module):
    """`regression_loss` as mmpose's RegressionHead calls it."""

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, output: Tensor, target: Tensor, target_weight: Tensor) -> Tensor:
        """Return the weighted loss."""
        return self.loss_weight * regression_loss(output, target, target_weight.flatten(2)[..., 0])


@MODELS.register_module()
class DistilPoseHeatmapLoss(nn.Module):
    """`heatmap_loss` as mmpose's HeatmapHead calls it."""

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, output: Tensor, target: Tensor, target_weights: Tensor) -> Tensor:
        """Return the weighted loss."""
        return self.loss_weight * heatmap_loss(output, target, target_weights)


def _estimators_teacher(teacher: Mapping[str, Any], head: Any) -> MMPoseTeacher:
    input_size = head.decoder.input_size
    return build_teacher(
        teacher["config"],
        teacher["checkpoint"],
        joints=teacher.get("joints") or COCO.names,
        input_size=(int(input_size[0]), int(input_size[1])),
    )
