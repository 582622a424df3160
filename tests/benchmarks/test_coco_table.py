"""What the card could do, and what a step of the table needs of it."""

import pytest

from benchmarks.peak import peak_of
from benchmarks.subjects import ROWS, TINY, criterion_of
from benchmarks.table import flops_of_person
from distilpose.models.measure import count_costs


@pytest.mark.parametrize(
    ("card", "bf16", "tf32"),
    [
        ("NVIDIA H100 80GB HBM3", 989.4e12, 494.7e12),
        ("NVIDIA H100 PCIe", 756e12, 378e12),
        ("NVIDIA A100-SXM4-80GB", 312e12, 156e12),
        ("NVIDIA L4", 121e12, 60e12),
        ("NVIDIA L40S", 362.05e12, 183e12),
        ("NVIDIA L40", None, None),
        ("cpu", None, None),
    ],
)
def test_a_card_has_the_peak_of_its_own_name_or_none(card: str, bf16: float | None, tf32: float | None) -> None:
    assert (peak_of(card, bf16=True), peak_of(card, bf16=False)) == (bf16, tf32)


def test_flops_are_those_of_one_teacher_and_of_every_row_forwards_and_backwards() -> None:
    teacher = count_costs(TINY.build_teacher(), TINY.input_size).gmacs
    students = [count_costs(TINY.build_student(row), TINY.input_size).gmacs for row in ROWS]
    assert criterion_of("all").needs_teacher
    assert teacher is not None
    expected = 2e9 * (teacher + 3 * sum(one for one in students if one is not None))
    # The first convolution needs no gradient of its images.
    assert 0.9 * expected < flops_of_person(TINY) < expected
