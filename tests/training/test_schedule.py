from typing import Any

import pytest

from distilpose.training.schedule import Schedule

PAPER = Schedule(epochs=300, batch_size=256, milestones=(200, 260))


def test_warm_up_rises_linearly_from_a_thousandth() -> None:
    assert PAPER.learning_rate(0, steps_per_epoch=600) == pytest.approx(1e-6)
    assert PAPER.learning_rate(250, steps_per_epoch=600) == pytest.approx(1e-3 * (1 - 0.5 * 0.999))
    assert PAPER.learning_rate(500, steps_per_epoch=600) == pytest.approx(1e-3)


@pytest.mark.parametrize(("epoch", "rate"), [(199, 1e-3), (200, 1e-4), (259, 1e-4), (260, 1e-5), (299, 1e-5)])
def test_the_rate_falls_tenfold_at_each_milestone(epoch: int, rate: float) -> None:
    assert PAPER.learning_rate(epoch * 600, steps_per_epoch=600) == pytest.approx(rate)


def test_no_warm_up_starts_at_the_full_rate() -> None:
    assert Schedule(epochs=1, batch_size=1, warmup_steps=0).learning_rate(0, steps_per_epoch=1) == 1e-3


@pytest.mark.parametrize(
    ("decay", "shares"), [("cosine", [1, 0.775, 0.55]), ("linear", [1, 0.7, 0.55]), ("constant", [1, 1, 1])]
)
def test_a_decay_runs_from_the_first_step_to_the_last_down_to_its_floor(decay: Any, shares: list[float]) -> None:
    schedule = Schedule(epochs=9, batch_size=1, warmup_steps=0, decay=decay, floor=0.1, milestones=(1,))
    rates = [schedule.learning_rate(step, steps_per_epoch=10) for step in (0, 30, 45)]
    assert rates == pytest.approx([1e-3 * share for share in shares])
    last = schedule.learning_rate(90, steps_per_epoch=10)
    assert last == pytest.approx(1e-3 if decay == "constant" else 1e-4)


def test_the_warm_up_comes_on_top_of_a_decay() -> None:
    schedule = Schedule(epochs=2, batch_size=1, warmup_steps=10, warmup_ratio=0, decay="linear")
    assert schedule.learning_rate(5, steps_per_epoch=10) == pytest.approx(1e-3 * 0.5 * 0.75)


@pytest.mark.parametrize(
    ("people", "drop_last", "steps"), [(149_813, False, 586), (149_813, True, 585), (512, False, 2), (7, True, 1)]
)
def test_the_people_left_over_are_a_step_unless_they_are_dropped(people: int, drop_last: bool, steps: int) -> None:
    assert Schedule(epochs=1, batch_size=256, drop_last=drop_last).steps_per_epoch(people) == steps


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch_size": 0}, {"cards": 0}, {"lr": 0}, {"warmup_ratio": 1.1}])
def test_settings_out_of_range_are_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))}: must be "):
        Schedule(**{"epochs": 1, "batch_size": 1, **wrong})


def test_the_last_epoch_is_always_validated() -> None:
    schedule = Schedule(epochs=25, batch_size=1, eval_every=10)
    assert [epoch for epoch in range(26) if schedule.validates_after(epoch)] == [10, 20, 25]
