"""The losses of other methods: mmpose's own numbers and gradients, and cases by hand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from distilpose.data.codecs import gaussian_heatmaps
from distilpose.data.skeleton import COCO
from distilpose.data.stream import Batch
from distilpose.heads.heatmap import HeatmapOutput
from distilpose.heads.ipr import integrated
from distilpose.heads.prtr import PRTROutput
from distilpose.heads.simcc import SimCCOutput
from distilpose.integrations.mmpose import import_mmpose
from distilpose.losses.attention import attention_maps_loss
from distilpose.losses.bone import bone_loss
from distilpose.losses.features import (
    FitNet,
    attention_transfer_loss,
    channel_distillation_loss,
    pearson_distillation_loss,
)
from distilpose.losses.hard_joints import hard_joints_loss
from distilpose.losses.heatmap_distillation import heatmap_distillation_loss
from distilpose.losses.jensen_shannon import jensen_shannon_loss
from distilpose.losses.oks import oks_loss
from distilpose.losses.prtr import prtr_loss
from distilpose.losses.relations import relation_loss
from distilpose.losses.rle import RLE
from distilpose.losses.simcc import dwpose_loss, simcc_loss
from distilpose.losses.teacher_points import teacher_coordinate_loss, teacher_score_loss
from distilpose.losses.wing import adaptive_wing_loss, soft_wing_loss, wing_loss

DRAW = torch.Generator().manual_seed(0)
POINTS, TRUTH = (torch.rand(4, 17, 2, generator=DRAW, dtype=torch.float64) for _ in range(2))
VISIBLE = (torch.rand(4, 17, generator=DRAW) > 0.3).double()
BINS_X, BINS_Y = (torch.randn(4, 17, n, generator=DRAW, dtype=torch.float64) for n in (96, 128))
MAPS, TRUE_MAPS = (torch.rand(4, 17, 8, 6, generator=DRAW, dtype=torch.float64) for _ in range(2))
SCALE = 50 + 100 * torch.rand(4, 2, generator=DRAW, dtype=torch.float64)


def same(
    ours: Callable[[Tensor], Tensor], theirs: Callable[[Tensor], Tensor], start: Tensor, atol: float = 1e-9
) -> None:
    """Both give the same number and the same gradient."""
    found = []
    for loss in (ours, theirs):
        leaf = start.clone().requires_grad_()
        value = loss(leaf)
        value.backward()
        found.append((value.detach(), leaf.grad))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-5, atol=atol)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-5, atol=atol)


class TestAgainstMMPose:
    """mmpose 1.3.2's own classes on the same numbers."""

    @pytest.fixture(autouse=True)
    def _import(self) -> None:
        pytest.importorskip("mmpose", reason="needs the extra mmpose")
        import_mmpose()
        import mmpose.models.losses

        self.losses = mmpose.models.losses

    @pytest.mark.parametrize(
        ("scale", "name"), [(1, "WingLoss"), (40, "WingLoss"), (1, "SoftWingLoss"), (9, "SoftWingLoss")]
    )
    def test_wings(self, scale: float, name: str) -> None:
        theirs = getattr(self.losses, name)(use_target_weight=True)
        ours = {"WingLoss": wing_loss, "SoftWingLoss": soft_wing_loss}[name]
        weight = VISIBLE[..., None].expand(-1, -1, 2)
        same(
            lambda points: ours(points, scale * TRUTH, VISIBLE),
            lambda points: theirs(points, scale * TRUTH, weight),
            scale * POINTS,
        )

    def test_adaptive_wing(self) -> None:
        theirs = self.losses.AdaptiveWingLoss(use_target_weight=True)
        same(
            lambda maps: adaptive_wing_loss(maps, TRUE_MAPS, VISIBLE),
            lambda maps: theirs(maps, TRUE_MAPS, VISIBLE),
            MAPS,
        )

    def test_hardest_joints(self) -> None:
        theirs = self.losses.KeypointOHKMMSELoss(use_target_weight=True, topk=5)
        same(
            lambda maps: hard_joints_loss(maps, TRUE_MAPS, VISIBLE, hardest=5),
            lambda maps: theirs(maps, TRUE_MAPS, VISIBLE),
            MAPS,
        )

    @pytest.mark.parametrize("mode", ["linear", "square", "log"])
    def test_object_keypoint_similarity(self, mode: str) -> None:
        from mmpose.models.losses.regression_loss import OKSLoss

        theirs = OKSLoss(mode=mode, norm_target_weight=True)
        theirs.sigmas = torch.tensor(COCO.sigmas, dtype=torch.float64)
        near = TRUTH + 0.05 * (POINTS - 0.5)
        areas = 0.34 * SCALE.prod(-1)
        same(
            lambda points: oks_loss(points, people(), COCO, mode=mode),
            lambda points: theirs(points * SCALE[:, None], TRUTH * SCALE[:, None], VISIBLE, areas),
            near,
        )

    def test_bones(self) -> None:
        parents = list(range(17))
        for a, b in TREE:
            parents[b] = a
        skeleton = COCO.__class__(**{**{f: getattr(COCO, f) for f in COCO.__dataclass_fields__}, "limbs": TREE})
        theirs = self.losses.BoneLoss(parents)
        everyone = torch.ones_like(VISIBLE)
        same(
            lambda points: bone_loss(points, TRUTH, everyone, skeleton, form="mmpose"),
            lambda points: theirs(points, TRUTH),
            POINTS,
        )

    def test_residual_log_likelihood(self) -> None:
        theirs, ours = self.losses.RLELoss(use_target_weight=True).double(), RLE().double()
        ours.flow.load_state_dict(theirs.flow_model.state_dict(), strict=False)
        weight = VISIBLE[..., None].expand(-1, -1, 2)
        raw = torch.randn(4, 17, 2, generator=DRAW, dtype=torch.float64)
        same(
            lambda points: ours(points, raw.sigmoid(), TRUTH, VISIBLE),
            lambda points: theirs(points, raw, TRUTH, weight.clone()),
            POINTS,
        )
        same(
            lambda raw: ours(POINTS, raw.sigmoid(), TRUTH, VISIBLE),
            lambda raw: theirs(POINTS, raw, TRUTH, weight.clone()),
            raw,
        )
        for name, parameter in theirs.flow_model.named_parameters():
            torch.testing.assert_close(ours.flow.get_parameter(name).grad, parameter.grad, rtol=1e-5, atol=1e-9)

    @pytest.mark.parametrize(("label_beta", "beta", "sigmas"), [(0, 1, (6, 6)), (10, 10, (4.9, 5.66))])
    def test_bins_of_simcc(self, label_beta: float, beta: float, sigmas: tuple[float, float]) -> None:
        from mmpose.codecs import SimCCLabel

        codec = SimCCLabel((48, 64), sigma=sigmas, normalize=not label_beta)
        made = [
            codec.encode((person * torch.tensor([48, 64])).numpy()[None], np.ones((1, 17), np.float32))
            for person in TRUTH
        ]
        targets = [
            torch.cat([torch.as_tensor(one[f"keypoint_{axis}_labels"]).double() for one in made]) for axis in "xy"
        ]
        theirs = self.losses.KLDiscretLoss(beta=beta, label_softmax=bool(label_beta))
        options = {"sigma_x": sigmas[0], "sigma_y": sigmas[1], "label_beta": label_beta, "beta": beta}
        same(
            lambda bins: simcc_loss(bins, BINS_Y, TRUTH, VISIBLE, **options, form="mmpose"),
            lambda bins: theirs((bins, BINS_Y), targets, VISIBLE),
            BINS_X,
            atol=1e-7,  # mmpose's targets are fp32
        )
        ours = [simcc_loss(BINS_X, BINS_Y, TRUTH, VISIBLE, **options, form=form) for form in ("mmpose", "mean")]
        torch.testing.assert_close(ours[0], 4 * ours[1])

    def test_bins_of_dwpose(self) -> None:
        from mmpose.models.losses.logit_dis_loss import KDLoss

        teacher = SimCCOutput(BINS_X.flip(0), BINS_Y.flip(0))
        same(
            lambda bins: 0.1 * dwpose_loss(BINS_X, bins, teacher, beta=2),
            lambda bins: KDLoss(name="", use_this=True, weight=0.1)((BINS_X, bins), teacher[:2], 2, VISIBLE),
            BINS_Y,
        )

    def test_probabilities_of_dsnt(self) -> None:
        everyone, maps = torch.ones_like(VISIBLE), MAPS.flatten(2).softmax(-1).reshape(MAPS.shape)
        truth = gaussian_heatmaps(TRUTH, everyone, (6, 8))
        truth = truth / truth.sum((-2, -1), keepdim=True)
        theirs = self.losses.JSDiscretLoss()
        torch.testing.assert_close(jensen_shannon_loss(maps, TRUTH, VISIBLE), theirs(maps, truth, VISIBLE))
        same(  # of invisible joints mmpose's gradient is not a number
            lambda maps: jensen_shannon_loss(maps, TRUTH, everyone),
            lambda maps: theirs(maps, truth, everyone),
            maps,
        )

    @pytest.mark.parametrize("part", [0, 1], ids=["points", "probabilities"])
    @pytest.mark.parametrize(
        ("head", "beta", "debias"),
        [("DSNTHead", 1, False), ("IntegralRegressionHead", 1, False), ("IntegralRegressionHead", 10, True)],
    )
    def test_integral_regression(self, head: str, beta: float, debias: bool, part: int) -> None:
        from mmpose.models import heads

        theirs = getattr(heads, head)(
            17, (6, 8), 17, debias=debias, beta=beta, deconv_out_channels=None, final_layer=None
        ).double()
        same(
            lambda maps: integrated(3 * maps, beta=beta, debias=debias)[part].pow(3).sum(),
            lambda maps: theirs((3 * maps,))[part].pow(3).sum(),
            MAPS,
            atol=1e-6,  # mmpose's places are fp32
        )

    def test_features_of_dwpose(self) -> None:
        from mmpose.models.losses.fea_dis_loss import FeaLoss

        theirs = FeaLoss(name="", use_this=True, student_channels=6, teacher_channels=9).double()
        ours = FitNet(reduction="sum").double()
        student, teacher = (torch.rand(4, c, 3, 5, generator=DRAW, dtype=torch.float64) for c in (6, 9))
        tokens = teacher.flatten(2).transpose(1, 2)
        ours(student.flatten(2).transpose(1, 2), tokens)  # gives the adapter its size
        ours.adapter.weight.data = theirs.align.weight.data[..., 0, 0].clone()
        ours.adapter.bias.data = theirs.align.bias.data.clone()
        same(
            lambda maps: 7e-5 * ours(maps.flatten(2).transpose(1, 2), tokens),
            lambda maps: theirs(maps, teacher),
            student,
        )


def test_residual_log_likelihood_of_the_authors_code(parity_dir: Path) -> None:
    """The value, and every gradient, the flow's too."""
    recorded = torch.load(parity_dir / "peers" / "fixtures" / "losses_rle.pt", weights_only=True)
    loss = RLE(form="official")
    loss.flow.load_state_dict(recorded["flow"])
    points, raw = (recorded[name].clone().requires_grad_() for name in ("keypoints", "sigma_raw"))
    seen = recorded["target_weight"][..., 0]
    value = loss(points, raw.sigmoid(), recorded["target"], seen)
    value.backward()
    torch.testing.assert_close(value, recorded["loss"], rtol=1e-5, atol=0)
    gradients = {"keypoints": points.grad, "sigma_raw": raw.grad}
    gradients |= {f"flow/{name}": one.grad for name, one in loss.flow.named_parameters()}
    for name, gradient in gradients.items():
        wanted = recorded["grad_flow"][name[5:]] if "/" in name else recorded[f"grad_{name}"]
        torch.testing.assert_close(gradient, wanted, rtol=1e-5, atol=1e-5 * float(wanted.abs().max()))


def test_the_loss_of_prtr_of_the_authors_code(parity_dir: Path) -> None:
    """The value and every gradient of one layer; further layers add theirs."""
    recorded = torch.load(parity_dir / "peers" / "fixtures" / "losses_prtr.pt", weights_only=True)
    logits, coords = (recorded[name].clone().requires_grad_() for name in ("logits", "coords"))
    truth = recorded["target"], recorded["target_weight"][..., 0]
    value = prtr_loss(logits, coords, PRTROutput(logits, coords), *truth)
    value.backward()
    wanted = recorded["loss_ce"] + 5 * recorded["loss_kpts"]
    torch.testing.assert_close(value, wanted, rtol=1e-5, atol=0)
    torch.testing.assert_close(logits.grad, recorded["grad_logits"], rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(coords.grad, recorded["grad_coords"], rtol=1e-5, atol=1e-7)
    layer = torch.cat([logits, coords], -1).detach()
    layers = PRTROutput(logits, coords, earlier=torch.stack([layer, layer], 1))
    torch.testing.assert_close(prtr_loss(logits, coords, layers, *truth), 3 * wanted)


TREE = ((0, 1), (0, 2), (1, 3), (2, 4), (5, 7), (7, 9), (6, 8), (8, 10), (11, 13), (13, 15), (12, 14), (14, 16))


def people() -> Batch:
    return Batch(
        images=torch.zeros(4, 3, 1, 1),
        keypoints=TRUTH,
        visible=VISIBLE,
        index=torch.arange(4),
        center=torch.zeros(4, 2),
        scale=SCALE,
        labelled=VISIBLE,
    )


def test_a_limb_counts_where_both_its_ends_are_visible() -> None:
    skeleton = COCO.__class__(**{**{f: getattr(COCO, f) for f in COCO.__dataclass_fields__}, "limbs": ((0, 1), (0, 2))})
    points, truth, seen = torch.zeros(1, 17, 2), torch.zeros(1, 17, 2), torch.ones(1, 17)
    points[0, 1], truth[0, 1], points[0, 2] = (
        torch.tensor([0.3, 0.4]),
        torch.tensor([0.0, 0.2]),
        torch.tensor([9.0, 9.0]),
    )
    seen[0, 2] = 0
    assert float(bone_loss(points, truth, seen, skeleton)) == pytest.approx((0.5 - 0.2) / 2, abs=1e-5)


def test_the_teachers_points_and_peaks_are_the_targets() -> None:
    maps = torch.zeros(1, 2, 64, 48)
    maps[0, 0, 32, 12], maps[0, 1, 16, 24] = 0.8, 0.0
    points = torch.tensor([[[0.25, 0.5], [0.9, 0.9]]])
    assert float(teacher_coordinate_loss(points, maps)) == pytest.approx(0, abs=1e-6)
    off = points + torch.tensor([0.1, 0.0])
    assert float(teacher_coordinate_loss(off, maps)) == pytest.approx(0.8 * 0.5 * 0.1**2 / 4, rel=1e-3)
    assert float(teacher_score_loss(torch.tensor([[0.5, 0.5]]), maps)) == pytest.approx((0.3 + 0.5) / 2)


def test_heatmaps_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"same size, got \(4, 17, 8, 6\) and \(4, 17, 4, 6\)"):
        heatmap_distillation_loss(MAPS, MAPS[:, :, ::2])


def test_an_equal_student_costs_nothing() -> None:
    tokens = torch.rand(4, 6, 8, generator=DRAW)
    for loss in (attention_transfer_loss, channel_distillation_loss, pearson_distillation_loss, relation_loss):
        assert float(loss(tokens, tokens)) == pytest.approx(0, abs=1e-9)
    assert float(heatmap_distillation_loss(MAPS, MAPS)) == 0


def test_what_each_method_does_not_see_costs_nothing() -> None:
    """AT a factor, CWD an offset a channel, PKD both, RKD a rotation of all people together."""
    tokens = torch.rand(4, 6, 8, generator=DRAW)
    turned = tokens @ torch.linalg.qr(torch.rand(8, 8, generator=DRAW)).Q
    assert float(attention_transfer_loss(3 * tokens, tokens)) == pytest.approx(0, abs=1e-9)
    assert float(channel_distillation_loss(tokens + torch.arange(8), tokens)) == pytest.approx(0, abs=1e-6)
    assert float(pearson_distillation_loss(3 * tokens + torch.arange(8), tokens)) == pytest.approx(0, abs=1e-6)
    assert float(relation_loss(turned, tokens)) == pytest.approx(0, abs=1e-9)


def test_attention_maps_are_compared_at_the_same_share_of_the_depth() -> None:
    uniform, sharp = torch.full((1, 1, 1, 4), 0.25), torch.tensor([1.0, 0, 0, 0]).expand(1, 1, 1, 4)
    ours, theirs = torch.stack([uniform, sharp], 1), torch.stack([sharp, uniform, sharp, sharp], 1)
    assert float(attention_maps_loss(ours, theirs)) == pytest.approx(0, abs=1e-6)
    # The student's first layer is taught by the teacher's second of four.
    assert float(attention_maps_loss(ours, theirs, layers="all")) == pytest.approx(0, abs=1e-6)
    taught_by_first = attention_maps_loss(ours, theirs[:, [0, 3]], layers="all")
    assert float(taught_by_first) == pytest.approx(np.log(4) / 2, rel=1e-5)
    with pytest.raises(ValueError, match="as many heads and tokens, got 1 heads and 4 tokens, and 2 heads and 4"):
        attention_maps_loss(ours, theirs.expand(-1, -1, 2, -1, -1))


def test_channel_distillation_of_a_case_worked_by_hand() -> None:
    student, teacher = torch.zeros(1, 2, 1), torch.tensor([[[0.0], [2.0]]])
    heavy = float(torch.sigmoid(torch.tensor(1.0)))  # of (0, 2) / 2
    divergence = heavy * torch.tensor(2 * heavy).log() + (1 - heavy) * torch.tensor(2 * (1 - heavy)).log()
    assert float(channel_distillation_loss(student, teacher, temperature=2)) == pytest.approx(4 * float(divergence))


@pytest.mark.parametrize("loss", [attention_transfer_loss, channel_distillation_loss, FitNet()])
def test_tokens_of_other_places_are_refused(loss: Callable[..., Tensor]) -> None:
    with pytest.raises(ValueError, match="give both the same patch and input_size"):
        loss(torch.zeros(2, 5, 8), torch.zeros(2, 6, 8))


def test_other_dims_are_for_fitnet_and_attention_transfer() -> None:
    tokens, wider = torch.rand(2, 5, 8), torch.rand(2, 5, 12)
    assert FitNet()(tokens, wider) > 0
    assert attention_transfer_loss(tokens, wider) > 0
    with pytest.raises(ValueError, match="same number and dim"):
        channel_distillation_loss(tokens, wider)


def test_a_heatmap_teacher_teaches_bins_by_its_rows_and_columns() -> None:
    """Two bins a heatmap pixel; the peak of a heatmap at (3, 5) is at the bins (6, 10)."""
    heatmaps = torch.zeros(1, 1, 8, 6)
    heatmaps[0, 0, 5, 3] = 1
    teacher = HeatmapOutput(heatmaps)
    x, y = (torch.zeros(1, 1, n, requires_grad=True) for n in (12, 16))
    dwpose_loss(x, y, teacher, heatmap_beta=20).backward()
    assert (int(x.grad.argmin()), int(y.grad.argmin())) == (6, 10)
    torch.testing.assert_close(x.grad[0, 0, 5], x.grad[0, 0, 7])
    best = [torch.full((1, 1, n), -20.0) for n in (12, 16)]
    for bins, place in zip(best, (6, 10), strict=True):
        bins[..., place - 1 : place + 2] = torch.tensor([0.25, 0.5, 0.25]).log()
    assert float(dwpose_loss(*best, teacher, heatmap_beta=20)) == pytest.approx(0, abs=1e-4)
    with pytest.raises(ValueError, match=r"must have as many bins, got \(1, 1, 12\) and \(1, 1, 14\)"):
        dwpose_loss(x, y, SimCCOutput(torch.zeros(1, 1, 14), y))
    with pytest.raises(ValueError, match="a teacher of SimCC or heatmaps"):
        dwpose_loss(x, y, None)
