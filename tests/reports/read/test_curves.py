"""Curves: journals brought onto the same epochs."""

import math

import pytest

from experiments.runs.journal import MetricRow
from reports.read.curves import run_curves
from reports.sections.curves import mean_curve, spread_out


def row(step: int, epoch: float | None, **values: float) -> MetricRow:
    named = {name.replace("_", "/", 1): value for name, value in values.items()}
    return MetricRow(step=step, epoch=epoch, values=named, time=0.0)


def test_training_is_averaged_over_the_pass_that_ends_where_the_validation_stands() -> None:
    rows = [row(5, 0, train_reg=4.0), row(10, 1, train_reg=2.0, val_AP=0.1), row(15, 1, train_reg=1.0)]
    found = run_curves(rows)
    assert found["train/reg"] == {1.0: 3.0, 2.0: 1.0}
    assert found["val/AP"] == {1.0: 0.1}


def test_without_a_validation_training_keeps_the_epoch_it_wrote() -> None:
    assert run_curves([row(5, 0, train_reg=4.0), row(15, 1, train_reg=1.0)])["train/reg"] == {0.0: 4.0, 1.0: 1.0}


def test_values_that_are_not_finite_are_left_out() -> None:
    assert run_curves([row(10, 1, val_AP=math.nan), row(20, 2, val_AP=0.2)])["val/AP"] == {2.0: 0.2}


def test_rows_without_an_epoch_are_left_out() -> None:
    assert run_curves([row(10, None, val_AP=0.1)]) == {}


def test_a_mean_covers_the_epochs_that_all_runs_reached() -> None:
    curve = mean_curve([{1.0: 0.1, 2.0: 0.3}, {1.0: 0.2, 2.0: 0.5, 3.0: 0.9}], scale=100)
    assert curve is not None
    assert curve.epochs == (1.0, 2.0)
    assert curve.mean == pytest.approx((15.0, 40.0))


@pytest.mark.parametrize(
    ("wanted", "heights"),
    [
        ([0.5, 0.5], [0.5, 0.6]),
        ([0.9, 0.2], [0.9, 0.2]),
        ([1.0, 0.98, 0.99], [1.0, 0.8, 0.9]),
        ([0.0, 0.0], [0.0, 0.1]),
    ],
)
def test_names_at_the_ends_of_lines_stand_apart_in_their_order(wanted: list[float], heights: list[float]) -> None:
    assert spread_out(wanted, 0.1) == pytest.approx(heights)


@pytest.mark.parametrize("runs", [[], [{1.0: 1.0}, {2.0: 1.0}], [{}]])
def test_no_common_epoch_gives_no_curve(runs: list[dict[float, float]]) -> None:
    assert mean_curve(runs) is None
