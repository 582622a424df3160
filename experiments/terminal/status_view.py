"""Where runs stand: the table of `status`, and the proof under it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from distilpose.evaluation.metrics import shown as metric_text
from experiments.machine.quantities import duration
from experiments.runs.status import Proof, Standing, counts
from experiments.terminal.tables import STYLES, said_counts, some_of, table_of, worth_showing

_HEADINGS = ("run", "what", "state", "steps", "metric", "note")


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
