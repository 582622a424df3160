"""How errors are spread: whether a person's score foretells its OKS, and which joints are found."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from matplotlib.figure import Figure

from experiments.runs.run_files import CalibrationJson, Diagnosis
from reports.formats.drawing import FAINT, MUTED, OURS, SMALL, WIDTH, Drawing, draw, heat_map, one_panel, small_panels
from reports.formats.page import Section, there
from reports.formats.words import listed
from reports.numbers.sweep import SweepNumbers
from reports.read.reader import RunNumbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Scores and OKS over bins of the score: how many people, and both means; and their rank correlation by seed.

    A run whose scores are all the same has no correlation.
    """

    people: tuple[int, ...]
    score: tuple[float, ...]
    oks: tuple[float, ...]
    spearman: Mapping[int, float]

    @property
    def constant(self) -> bool:
        """Whether every score is 1, as of a model without a confidence output in annotated boxes."""
        return not any(self.people[:-1]) and self.score[-1] > 1 - 1e-9

    @property
    def drawn(self) -> bool:
        """Whether scores fall into more than one bin."""
        return sum(count > 0 for count in self.people) > 1

    @property
    def error(self) -> float:
        """The expected calibration error: the mean gap between score and OKS over the people, in [0, 1]."""
        gaps = (n * abs(a - b) for n, a, b in zip(self.people, self.score, self.oks, strict=True))
        return sum(gaps) / max(1, sum(self.people))


def joints(numbers: SweepNumbers) -> Section | None:
    """Which joints are found; nothing where no run recorded it."""
    found, faults = joints_of(numbers), _faults(numbers)
    if not found and not faults:
        return None
    text = (f"Left out: the errors of {listed(faults)}.",) if faults else ()
    return Section(
        key="joints", title="Joints found", text=text, blocks=there(joints_drawing(found) if found else None)
    )


def confidence(numbers: SweepNumbers) -> Section | None:
    """Whether scores foretell the OKS; nothing where no row's scores differ."""
    drawing = calibration_drawing(calibrations_of(numbers))
    return None if drawing is None else Section(key="confidence", title="Confidence", blocks=(drawing,), folded=True)


def _faults(numbers: SweepNumbers) -> list[str]:
    return [
        f"“{row.name}”, seed {run.seed} ({fault})"
        for row in numbers.drawn_rows
        for run in row.drawn_runs
        if run.finished and (fault := numbers.reader.details(run).diagnosis_fault)
    ]


def _diagnoses(runs: Sequence[RunNumbers], numbers: SweepNumbers) -> dict[int, Diagnosis]:
    """The diagnoses of the finished ones of these runs, by seed."""
    read = {run.seed: numbers.reader.details(run).diagnosis for run in runs if run.finished}
    return {seed: diagnosis for seed, diagnosis in read.items() if diagnosis is not None}


def calibrations_of(numbers: SweepNumbers) -> dict[str, Calibration]:
    """For each drawn row that recorded it, calibration over all people of all seeds."""
    parts = {
        row.name: {
            seed: one["calibration"]
            for seed, one in _diagnoses(row.drawn_runs, numbers).items()
            if "calibration" in one
        }
        for row in numbers.drawn_rows
    }
    return {name: _pooled(by_seed) for name, by_seed in parts.items() if by_seed}


def _pooled(parts: Mapping[int, CalibrationJson]) -> Calibration:
    people = tuple(map(sum, zip(*(part["people"] for part in parts.values()), strict=True)))

    def means(name: Literal["score", "oks"]) -> tuple[float, ...]:
        sums = [0.0] * len(people)
        for part in parts.values():
            for place, (count, mean) in enumerate(zip(part["people"], part[name], strict=True)):
                sums[place] += count * (mean or 0.0)
        return tuple(total / max(1, count) for total, count in zip(sums, people, strict=True))

    spearman = {seed: part["spearman"] for seed, part in parts.items() if part["spearman"] is not None}
    return Calibration(people=people, score=means("score"), oks=means("oks"), spearman=spearman)


def joints_of(numbers: SweepNumbers) -> dict[str, dict[str, float]]:
    """For each teacher and drawn row that recorded it, the share of each labelled joint that was found, in per cent.

    It is the mean of left and right, and of the seeds that name the same joints as the first.
    """
    sources = {
        **{name: [run] for name, run in numbers.named_teachers.items()},
        **{row.name: row.drawn_runs for row in numbers.drawn_rows},
    }
    found: dict[str, dict[str, float]] = {}
    for row, runs in sources.items():
        parts = [one["joints"] for one in _diagnoses(runs, numbers).values() if "joints" in one]
        same = [part["found"] for part in parts if part["names"] == parts[0]["names"]]
        shares: dict[str, list[float | None]] = {}
        for name, by_seed in zip(parts[0]["names"], zip(*same, strict=True), strict=True) if parts else ():
            shares.setdefault(_sideless(name), []).extend(by_seed)
        known = {name: [share for share in values if share is not None] for name, values in shares.items()}
        found[row] = {
            name: 100 * fmean(known[name]) for name, values in shares.items() if len(known[name]) == len(values)
        }
    return {name: joints for name, joints in found.items() if joints}


def _sideless(joint: str) -> str:
    """A joint's name without its side: `left_knee` and `Right Knee` are a knee."""
    words = re.split(r"[\s_]+", joint)
    return " ".join(word for word in words if word.lower() not in ("left", "right", "l", "r")) or joint


def calibration_drawing(calibrations: Mapping[str, Calibration]) -> Drawing | None:
    """Mean OKS over bins of the score, a panel a row; None where no row's scores differ."""
    drawn = {name: found for name, found in calibrations.items() if found.drawn}
    if not drawn:
        return None
    silent = {name: found for name, found in calibrations.items() if name not in drawn}
    constant = [f"“{name}”" for name, found in silent.items() if found.constant]
    narrow = [f"“{name}”" for name, found in silent.items() if not found.constant]
    without = f" Omitted: models without a confidence output ({', '.join(constant)})." if constant else ""
    without += f" Omitted: rows whose scores all fall into one twentieth ({', '.join(narrow)})." if narrow else ""
    return draw(
        calibration_figure(drawn),
        name="calibration",
        caption="Mean OKS of people by their score, in twentieths. On the dashed line the score is the OKS; larger "
        "marks have more people. ECE: mean gap between the two. ρ: Spearman's correlation of score and OKS, mean of "
        f"the seeds.{without}",
    )


def calibration_figure(drawn: Mapping[str, Calibration]) -> Figure:
    """A panel a row; the area of a mark is the people in it."""
    figure, panels = small_panels(list(drawn), height=2.1, margin=0.4)
    for axes, found in zip(panels, drawn.values(), strict=True):
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.9, linestyle="--", zorder=1)
        filled = [place for place, count in enumerate(found.people) if count]
        score, oks = ([values[place] for place in filled] for values in (found.score, found.oks))
        area = [6 + 90 * found.people[place] / max(found.people) for place in filled]
        axes.plot(score, oks, color=OURS, linewidth=1.2, zorder=2)
        axes.scatter(score, oks, s=area, color=OURS, edgecolors="#ffffff", linewidths=0.5, zorder=3)
        said = f"ECE {found.error:.2f}"
        if found.spearman:
            said += f"\nρ {sum(found.spearman.values()) / len(found.spearman):.2f}"
        axes.text(0.97, 0.04, said, transform=axes.transAxes, ha="right", va="bottom", fontsize=SMALL)
        axes.grid(color=FAINT, linewidth=0.4)
        axes.set_axisbelow(True)
    panels[0].set_xlim(0, 1)
    panels[0].set_ylim(0, 1)
    panels[0].set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    panels[0].set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    figure.supxlabel("score")
    figure.supylabel("OKS")
    return figure


def joints_drawing(joints: Mapping[str, Mapping[str, float]]) -> Drawing:
    """Joints by rows as a heat map, of the rows that name the same joints as the first."""
    names = list(next(iter(joints.values())))
    rows = [name for name, found in joints.items() if list(found) == names]
    figure, axes = one_panel(WIDTH, 0.6 + 0.045 * max(map(len, rows)) + 0.26 * len(names))
    values = {(line, place): joints[row][name] for place, row in enumerate(rows) for line, name in enumerate(names)}
    heat_map(axes, values, {at: f"{value:.0f}" for at, value in values.items()}, names, rows)
    for label in axes.get_xticklabels():
        label.set(rotation=40, ha="right", rotation_mode="anchor")
    caption = (
        "Labelled joints found within a tenth of the longer side of the person's box, in per cent; mean of left, right "
        "and seeds."
    )
    return draw(figure, name="joints", caption=caption)
