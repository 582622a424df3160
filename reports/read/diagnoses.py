"""What runs found out about their errors, put together over the seeds of a row: calibration and joints."""

from collections.abc import Mapping
from typing import Any

from reports.numbers.records import Calibration, JointErrors
from reports.numbers.statistics import spread

Diagnoses = Mapping[int, Mapping[str, Any]]


def _parts(diagnoses: Diagnoses, part: str) -> dict[int, Mapping[str, Any]]:
    """That part of the diagnoses that have one, by seed."""
    return {seed: diagnosis[part] for seed, diagnosis in diagnoses.items() if diagnosis.get(part)}


def row_calibration(diagnoses: Diagnoses) -> Calibration | None:
    """Calibration over all people of all seeds; None where no run recorded it."""
    parts = _parts(diagnoses, "calibration")
    if not parts:
        return None
    columns = list(zip(*(part["people"] for part in parts.values()), strict=True))
    people = [sum(column) for column in columns]

    def means(name: str) -> tuple[float, ...]:
        sums = [0.0] * len(people)
        for part in parts.values():
            for place, (count, mean) in enumerate(zip(part["people"], part[name], strict=True)):
                sums[place] += count * (mean or 0.0)
        return tuple(total / max(1, count) for total, count in zip(sums, people, strict=True))

    return Calibration(
        people=tuple(people),
        score=means("score"),
        oks=means("oks"),
        spearman={seed: part["spearman"] for seed, part in parts.items() if part["spearman"] is not None},
    )


def row_joints(diagnoses: Diagnoses) -> JointErrors | None:
    """The share of each joint that was found, over the seeds; None where no run recorded it."""
    parts = _parts(diagnoses, "joints")
    if not parts:
        return None
    names = tuple(next(iter(parts.values()))["names"])
    same = {seed: part for seed, part in parts.items() if tuple(part["names"]) == names}
    seen = [place for place in range(len(names)) if all(part["found"][place] is not None for part in same.values())]
    return JointErrors(
        names=tuple(names[place] for place in seen),
        found=tuple(spread({seed: 100 * part["found"][place] for seed, part in same.items()}) for place in seen),
    )
