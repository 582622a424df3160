"""The trials of a search, what they tell, and how far the best of them bear confirmation."""

from collections import Counter

from reports.formats.page import Section, there
from reports.numbers.sweep import SweepNumbers
from reports.sections.search.drawings import search_drawings
from reports.sections.search.numbers import SearchNumbers, TrialNumbers, search_numbers
from reports.sections.search.tables import chosen_table, digits_of, trials_table, value_text


def search(numbers: SweepNumbers) -> Section | None:
    """The search; nothing for a sweep that is none."""
    found = search_numbers(numbers)
    if found is None:
        return None
    blocks = there(chosen_table(numbers, found), *search_drawings(found))
    return Section(key="search", title="Search", text=search_sentences(found), blocks=blocks)


def trials(numbers: SweepNumbers) -> Section | None:
    """Every trial; nothing for a sweep that is no search."""
    found = search_numbers(numbers)
    if found is None:
        return None
    return Section(key="trials", title="Every trial", blocks=(trials_table(found),), folded=True)


def search_sentences(search: SearchNumbers) -> tuple[str, ...]:
    """How far the search has come, what pruning saved, and what the best it found is worth saying."""
    states = Counter(trial.state for trial in search.trials)
    counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    by = f"suggested by {search.sampler}" + (f", pruned by {search.pruner}" if search.pruner else "")
    said = [f"{len(search.trials)} of {search.budget} trials were asked, {by}: {counts or 'none yet'}."]
    if states["pruned"] and search.epochs_saved is not None:
        said.append(f"Pruning saved {100 * search.epochs_saved:.0f} % of the epochs of the settled trials.")
    if not search.finished:
        return tuple(said)
    if len(search.objectives) > 1:
        said.append(f"{len(search.front)} of the {len(search.finished)} finished trials are beaten by no other.")
    else:
        best = search.finished[0]
        values = ", ".join(f"{axis.label} {value_text(best.params[axis.field])}" for axis in search.axes)
        own = [f"“{one.row}” {_first(one, search)}" for one in search.finished if one.row in search.own_trials]
        against = f", against {' and '.join(own)}" if own and best.row not in search.own_trials else ""
        reached = f"{search.objectives[0]} {_first(best, search)}"
        said.append(f"Best at seed {search.seed}: “{best.row}” ({values}), {reached}{against}.")
    if not search.again:
        said.append("The best of many noisy trials is partly luck; none has been trained again from other seeds.")
    return tuple(said)


def _first(trial: TrialNumbers, search: SearchNumbers) -> str:
    return f"{trial.reached:.{digits_of(search.objectives[0])}f}"
