"""Confidence: how well a person's score foretells its OKS, a small panel a row."""

from textwrap import wrap

from matplotlib import rc_context
from matplotlib.figure import Figure

from reports.numbers.records import Calibration, RowNumbers
from reports.numbers.sweep_numbers import SweepNumbers
from reports.plots.style import FAINT, INK, LABEL, MUTED, OURS, PANELS_ACROSS, SMALL, Drawing, small_panels


def _told(calibration: Calibration) -> bool:
    """Whether scores fall into more than one bin."""
    return sum(count > 0 for count in calibration.people) > 1


def _told_rows(numbers: SweepNumbers) -> list[tuple[RowNumbers, Calibration]]:
    known = [(row, row.calibration) for row in numbers.drawn_rows]
    return [(row, found) for row, found in known if found is not None and _told(found)]


@rc_context({"text.parse_math": False})
def calibration_figure(numbers: SweepNumbers) -> Figure | None:
    """Mean OKS over bins of the score, the area of a mark being the people in it; None where no row's scores differ."""
    rows = _told_rows(numbers)
    if not rows:
        return None
    figure, panels, _ = small_panels(len(rows), height=2.1, margin=0.4)
    for axes, (row, found) in zip(panels, rows, strict=True):
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.9, linestyle="--", zorder=1)
        filled = [place for place, count in enumerate(found.people) if count]
        axes.plot(
            [found.score[place] for place in filled],
            [found.oks[place] for place in filled],
            color=OURS,
            linewidth=1.2,
            zorder=2,
        )
        axes.scatter(
            [found.score[place] for place in filled],
            [found.oks[place] for place in filled],
            s=[6 + 90 * found.people[place] / max(found.people) for place in filled],
            color=OURS,
            edgecolors="#ffffff",
            linewidths=0.5,
            zorder=3,
        )
        axes.set_title("\n".join(wrap(row.name, 26)) or row.name, fontsize=LABEL, color=INK, loc="left", pad=4)
        axes.text(
            0.97, 0.04, _numbers(found), transform=axes.transAxes, ha="right", va="bottom", fontsize=SMALL, color=INK
        )
        axes.grid(color=FAINT, linewidth=0.4)
        axes.set_axisbelow(True)
    panels[0].set_xlim(0, 1)
    panels[0].set_ylim(0, 1)
    panels[0].set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    panels[0].set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    figure.supxlabel("score", fontsize=LABEL, color=INK)
    figure.supylabel("OKS", fontsize=LABEL, color=INK)
    return figure


def _numbers(found: Calibration) -> str:
    lines = [f"ECE {found.error:.2f}"]
    if found.spearman:
        lines.append(f"ρ {sum(found.spearman.values()) / len(found.spearman):.2f}")
    return "\n".join(lines)


def calibration_drawing(numbers: SweepNumbers) -> Drawing | None:
    """The panels with their caption; None where no row's scores differ."""
    figure = calibration_figure(numbers)
    if figure is None:
        return None
    told = {row.name for row, _ in _told_rows(numbers)}
    silent = [row for row in numbers.drawn_rows if row.calibration is not None and row.name not in told]
    constant = [f"“{row.name}”" for row in silent if row.calibration is not None and row.calibration.constant]
    narrow = [f"“{row.name}”" for row in silent if row.calibration is not None and not row.calibration.constant]
    without = f" Omitted: models without a confidence output ({', '.join(constant)})." if constant else ""
    without += f" Omitted: rows whose scores all fall into one twentieth ({', '.join(narrow)})." if narrow else ""
    return Drawing(
        name="calibration",
        figure=figure,
        wide=len(told) >= PANELS_ACROSS,
        caption="Mean OKS of the people whose score falls into each twentieth, over all seeds; on the dashed line the "
        "score is the OKS, and the larger a mark, the more people. ECE: the mean gap between the two over the people; "
        f"ρ: Spearman's correlation of score and OKS, the mean of the seeds.{without}",
    )
