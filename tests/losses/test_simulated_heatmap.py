"""SH: an oracle that draws every heatmap, a case by hand, gradients, and what it must cost."""

import math

import pytest
import torch
from torch import Tensor

from distilpose.heads.regression import simulated_heatmaps
from distilpose.losses.simulated_heatmap import simulated_heatmap_loss

SIZE = (6, 8)


def _inputs(batch: int = 3, joints: int = 2, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(batch)
    keypoints = torch.rand(batch, joints, 2, generator=generator, dtype=dtype)
    sigmas = 0.5 + 2 * torch.rand(batch, joints, 2, generator=generator, dtype=dtype)
    teacher = torch.rand(batch, joints, SIZE[1], SIZE[0], generator=generator, dtype=dtype)
    visible = (torch.rand(batch, joints, generator=generator) > 0.4).to(dtype)
    return keypoints, sigmas, teacher, visible


def _drawn(keypoints: Tensor, sigmas: Tensor) -> Tensor:
    """The definition, pixel by pixel."""
    width, height = SIZE
    rows = []
    for (px, py), (sx, sy) in zip(keypoints.reshape(-1, 2), sigmas.reshape(-1, 2), strict=True):
        for y in range(height):
            for x in range(width):
                x_part = (x - width * px) ** 2 / (sx**2 + 1e-9)
                rows.append(torch.exp(-0.5 * (x_part + (y - height * py) ** 2 / (sy**2 + 1e-9))))
    return torch.stack(rows).reshape(*keypoints.shape[:2], height, width)


def test_heatmaps_are_the_definition() -> None:
    keypoints, sigmas, _, _ = _inputs()
    torch.testing.assert_close(simulated_heatmaps(keypoints, sigmas, SIZE), _drawn(keypoints, sigmas))


def test_the_peak_is_1_at_width_times_x_and_height_times_y() -> None:
    heatmap = simulated_heatmaps(torch.tensor([[[0.5, 0.25]]]), torch.tensor([[[1.0, 2.0]]]), SIZE)[0, 0]
    assert heatmap.argmax() == 2 * 6 + 3
    assert float(heatmap[2, 3]) == 1
    assert float(heatmap[2, 4]) == pytest.approx(math.exp(-0.5))
    assert float(heatmap[3, 3]) == pytest.approx(math.exp(-0.125))


def test_values_are_the_mean_over_drawn_heatmaps() -> None:
    keypoints, sigmas, teacher, visible = _inputs()
    errors = (_drawn(keypoints, sigmas) - teacher).square().mean((2, 3))
    per_sample = (errors * visible).sum() / errors.numel()
    # The official broadcast: everyone's mask with everyone's error.
    official = torch.stack(
        [torch.stack([visible[a, k] ** 2 * errors[b, k] for a in range(3) for b in range(3)]).mean() for k in range(2)]
    ).mean()
    torch.testing.assert_close(simulated_heatmap_loss(keypoints, sigmas, teacher, visible), per_sample)
    torch.testing.assert_close(simulated_heatmap_loss(keypoints, sigmas, teacher, visible, "official"), official)
    assert not torch.allclose(per_sample, official)


@pytest.mark.parametrize("form", ["per_sample", "official"])
def test_gradients_reach_keypoints_and_sigmas(form: str) -> None:
    keypoints, sigmas, teacher, visible = _inputs()
    keypoints.requires_grad_()
    sigmas.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda p, s: simulated_heatmap_loss(p, s, teacher, visible, form), (keypoints, sigmas)
    )


def test_masked_joints_get_zero_gradient_per_sample_and_not_in_the_official_form() -> None:
    for form, reaches in (("per_sample", False), ("official", True)):
        keypoints, sigmas, teacher, _ = _inputs()
        keypoints.requires_grad_()
        visible = torch.ones(3, 2, dtype=torch.float64)
        visible[0, 0] = 0
        simulated_heatmap_loss(keypoints, sigmas, teacher, visible, form).backward()
        assert bool(keypoints.grad[0, 0].any()) == reaches
        assert keypoints.grad[1, 0].any()


@pytest.mark.parametrize("form", ["per_sample", "official"])
def test_an_all_masked_batch_gives_zero(form: str) -> None:
    keypoints, sigmas, teacher, visible = _inputs()
    assert simulated_heatmap_loss(keypoints, sigmas, teacher, 0 * visible, form) == 0


@pytest.mark.parametrize("form", ["per_sample", "official"])
def test_a_student_that_draws_its_teachers_heatmap_loses_nothing(form: str) -> None:
    keypoints, sigmas, _, _ = _inputs(dtype=torch.float32)
    teacher = simulated_heatmaps(keypoints, sigmas, SIZE)
    loss = simulated_heatmap_loss(keypoints, sigmas, teacher, torch.ones(3, 2), form)
    assert abs(float(loss)) < 1e-7


@pytest.mark.parametrize("form", ["per_sample", "official"])
def test_what_is_kept_for_the_gradient_grows_with_the_batch_and_never_with_its_square(form: str) -> None:
    def kept(batch: int) -> int:
        keypoints, sigmas, teacher, visible = _inputs(batch)
        tensors: dict[int, torch.Tensor] = {}  # alive until counted, so that no two have had the same address
        with torch.autograd.graph.saved_tensors_hooks(
            lambda tensor: tensors.setdefault(tensor.data_ptr(), tensor), lambda tensor: tensor
        ):
            simulated_heatmap_loss(keypoints.requires_grad_(), sigmas.requires_grad_(), teacher, visible, form)
        return sum(tensor.numel() for tensor in tensors.values())

    assert kept(64) < 2.3 * kept(32)
    # Beside the teacher's heatmaps themselves, nothing of a heatmap's size is kept.
    heatmaps = 64 * 2 * SIZE[0] * SIZE[1]
    profiles = 64 * 2 * (SIZE[0] + SIZE[1])
    assert kept(64) < heatmaps + 6 * profiles


def test_autocast_does_not_cost_digits() -> None:
    keypoints, sigmas, teacher, visible = _inputs(dtype=torch.float32)
    expected = simulated_heatmap_loss(keypoints, sigmas, teacher, visible)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(simulated_heatmap_loss(keypoints, sigmas, teacher, visible), expected)
    rounded = simulated_heatmap_loss(keypoints, sigmas, teacher.bfloat16(), visible)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, expected, rtol=1e-2, atol=1e-3)


def test_unknown_forms_are_refused() -> None:
    with pytest.raises(ValueError, match="form: must be one of per_sample, official, got 'mean'"):
        simulated_heatmap_loss(*_inputs(), "mean")
