"""Where runs stand: the table of `status`, the proof under it, and one frame of the live view."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from distilpose.evaluation.metrics import shown as metric_text
from experiments.machine.quantities import duration
from experiments.machine.use import MachineUse
from experiments.runs.status import Proof, Standing, counts
from experiments.terminal.tables import STYLES, said_counts, some_of, table_of, worth_showing

_HEADINGS = ("run", "what", "state", "steps", "metric", "note")
_BESIDE_ROWS = 9  # lines of a frame that are not rows


def status_parts(found: Sequence[Standing], metric: str, *, everything: bool = False) -> list[Table | Text]:
    """The runs for people, of many those that need attention first; a failed run's log stands under the table."""
    by_id = {one.run_id: one for one in found}
    chosen, rest = list(by_id), None
    if not everything:
        chosen, rest = worth_showing({one.run_id: one.state for one in found})
    shown = [by_id[run_id] for run_id in chosen]
    parts: list[Table | Text] = [table_of(_HEADINGS, [_cells(one, metric) for one in shown], styled="state")]
    for one in shown:
        if one.log:
            parts.append(Text(f"{one.run_id}, the end of its log:", style=STYLES["failed"]))
            parts.append(Text("\n".join(f"  {line}" for line in one.log)))
    if rest is not None:
        parts.append(Text(rest, style="dim"))
    parts.append(Text(said_counts(counts(found))))
    return parts


def _cells(one: Standing, metric: str) -> tuple[str, ...]:
    steps = "" if one.step is None else f"{one.step}/{one.total_steps or '?'}"
    value = "" if one.value is None else f"{metric} {metric_text(metric, one.value)}"
    left = "" if one.seconds_left is None else f", about {duration(one.seconds_left)} left"
    since = "" if one.since is None else f", since {time.strftime('%d %b %H:%M', time.localtime(one.since))}"
    return one.run_id, one.what, one.state, steps, value, one.note + since + left


def proof_parts(found: Proof) -> list[Text]:
    """Duplicates, damage and orphans as text; also zero of each."""
    parts = []
    for title, lines in (("duplicates", found.duplicates), ("damaged", found.damaged)):
        parts.append(Text(f"{title} {len(lines)}", style=STYLES["failed"] if lines else ""))
        parts += [Text(f"  {line}") for line in lines]
    if found.orphaned is None:
        return [*parts, Text("orphaned unknown: a damaged plan does not tell which runs it wants")]
    orphaned = f"orphaned {len(found.orphaned):,}"
    if found.orphaned:
        orphaned += f", wanted by no saved plan (see distilpose gc): {some_of(found.orphaned)}"
    return [*parts, Text(orphaned)]


def frame(title: str, found: Sequence[Standing], metric: str, use: MachineUse, *, height: int) -> RenderableType:
    """One frame of the live view: overall progress, the machine, and as many runs as fit `height` lines."""
    done = sum(_share_done(one) for one in found)
    bar = Table.grid(padding=(0, 1), expand=True)
    bar.add_column(ratio=1)
    bar.add_column(no_wrap=True)
    bar.add_row(
        ProgressBar(total=max(1, len(found)), completed=done, complete_style="cyan"),
        Text(f"{done / max(1, len(found)):.0%}{_time_left(found)}"),
    )
    room = max(1, height - _BESIDE_ROWS - len(use.gpus))
    rows = sorted(found, key=lambda one: _ORDER.index(one.state))
    table = Table(box=None, header_style="bold", pad_edge=False, expand=True)
    for heading, ratio in (
        ("what", 3),
        ("state", None),
        ("", 2),
        ("steps", None),
        ("left", None),
        (metric, None),
        ("where, or why", 4),
    ):
        right = heading in ("steps", "left", metric)
        table.add_column(heading, ratio=ratio, justify="right" if right else "left", no_wrap=True, overflow="ellipsis")
    for one in rows[:room]:
        table.add_row(
            Text(one.what),
            Text(one.state, style=STYLES[one.state]),
            ProgressBar(total=1.0, completed=_share_done(one), complete_style="cyan") if one.step is not None else "",
            "" if one.step is None else f"{one.step}/{one.total_steps or '?'}",
            "" if one.seconds_left is None else duration(one.seconds_left),
            "" if one.value is None else metric_text(metric, one.value),
            Text(one.note),
        )
    more = Text(f"... and {len(rows) - room:,} more" if len(rows) > room else "", style="dim")
    return Group(
        Text(title, style="bold"),
        Text(said_counts(counts(found))),
        bar,
        *machine_lines(use),
        Text(),
        table,
        more,
        Text("q or Ctrl-C ends this view, not the runs", style="dim"),
    )


_ORDER = ("damaged", "running", "failed", "interrupted", "planned", "pruned", "finished")


def _share_done(one: Standing) -> float:
    if one.state in ("finished", "pruned"):
        return 1.0
    return 0.0 if one.step is None or not one.total_steps else min(1.0, one.step / one.total_steps)


def _time_left(found: Sequence[Standing]) -> str:
    """The time left at the pace of the runs at work now, if all runs were alike."""
    pace = sum((1 - _share_done(one)) / one.seconds_left for one in found if one.seconds_left)
    left = sum(1 - _share_done(one) for one in found if one.state not in ("finished", "failed", "damaged"))
    return f", about {duration(left / pace)} left" if pace and left else ""


def machine_lines(use: MachineUse) -> list[Text]:
    """The load of this machine."""
    memory = f"memory {use.memory_used / 1e9:.1f} of {use.memory_total / 1e9:.1f} GB"
    lines = [Text(f"CPU {use.cpu_percent:.0f}% of {use.cores} cores, {memory}" + ("" if use.gpus else ", no GPU"))]
    lines += [
        Text(
            f"GPU {gpu.index} ({gpu.name}) {gpu.percent:.0f}%, "
            f"memory {gpu.memory_used / 1e9:.1f} of {gpu.memory_total / 1e9:.1f} GB"
        )
        for gpu in use.gpus
    ]
    return lines
