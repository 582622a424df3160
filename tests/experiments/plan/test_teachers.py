"""Why a plan has several teachers is said where the rows did not ask for them."""

from pathlib import Path

import pytest
from small_sweeps import SMALL, small_plan

from experiments.plan.teachers import several_teachers


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ("schedule.lr: [0.1, 0.2]", "2 teachers, because schedule.lr differs; write teacher.schedule.lr to keep one"),
        (
            "schedule.lr: [0.1, 0.2], precision: [fp32, bf16]",
            "4 teachers, because precision and schedule.lr differ; "
            "write teacher.precision and teacher.schedule.lr to keep one",
        ),
        ("schedule.lr: [0.1, 0.2], teacher.seed: [0, 1]", "4 teachers, because schedule.lr differs"),
        ("'input_size': [[48, 64], [96, 128]]", "2 teachers, because input_size differs"),
        ("losses.KT: [1, 2]", None),
        ("teacher.seed: [0, 1]", None),
        ("teacher.schedule.lr: [0.1, 0.2]", None),
    ],
)
def test_fields_that_rows_share_with_their_teachers_are_the_reason(tmp_path: Path, axes: str, said: str | None) -> None:
    text = SMALL.replace("baseline: none\n", "") + f"axes: {{grid: {{{axes}}}}}\n"
    found = several_teachers(small_plan(tmp_path, text))
    assert found == said or (found and said and sorted(found.split()) == sorted(said.split()))
