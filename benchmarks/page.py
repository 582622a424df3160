"""The page of figures: Markdown for people, and the same as JSON beside it, where those of other runs are kept."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.measure import Figure
from benchmarks.suite import BENCHMARKS
from distilpose.whole_files import write_whole

_HEAD = """\
# Performance

Written by `distilpose bench --out`. Every figure is a ratio of two things measured in one run, in turns: the median
of its rounds, with the least and the most. "times" says how many times less the first takes than the second; of a
growth, how many times more. Seconds are of the machine named, and are not to be compared with those of another.
"""


def section_of(figures: Iterable[Figure], facts: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of one benchmark's run; `facts` are its date, machine and code."""
    return {
        "facts": dict(facts),
        "figures": [
            {"what": f.what, "against": f.against, "ratios": list(f.ratios), "aim": f.aim, "note": f.note}
            for f in figures
        ],
    }


def kept_sections(file: Path) -> dict[str, Any]:
    """The sections that are kept beside a page, by benchmark; none where there is no page yet.

    Raises:
        ValueError: what lies there is not what this wrote.
    """
    beside = file.with_suffix(".json")
    if not beside.exists():
        return {}
    try:
        sections = json.loads(beside.read_text(encoding="utf-8"))
        markdown({name: section for name, section in sections.items() if name in BENCHMARKS})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{beside}: must be figures kept by `distilpose bench`, is not ({error!r}); move it"
        ) from error
    return sections  # type: ignore[no-any-return]


def keep(file: Path, name: str, section: Mapping[str, Any]) -> None:
    """Put a benchmark's section on the page, in place of its last one; the others stay.

    Raises:
        ValueError: what lies beside the page is not what this wrote.
    """
    sections = {**kept_sections(file), name: section}
    ordered = {name: sections[name] for name in BENCHMARKS if name in sections}
    write_whole(file.with_suffix(".json"), json.dumps(ordered, indent=1, ensure_ascii=False) + "\n")
    write_whole(file, markdown(ordered))


def markdown(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """The page of these sections."""
    parts = [_HEAD]
    for name, section in sections.items():
        parts += [f"\n## {name}: {BENCHMARKS[name].about}\n", f"\n{_facts(section['facts'])}\n\n"]
        parts.append("| what | against | times | least to most | n | aim | |\n|---|---|---:|---:|---:|---:|---|\n")
        for kept in section["figures"]:
            figure = Figure(**{**kept, "ratios": tuple(kept["ratios"])})
            aim = "" if figure.aim is None else f"{figure.aim:.3g}{'' if figure.ratio >= figure.aim else ', missed'}"
            cells = (
                figure.what, figure.against, f"{figure.ratio:.3g}", f"{figure.low:.3g} to {figure.high:.3g}",
                str(len(figure.ratios)), aim, figure.note,
            )  # fmt: skip
            parts.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |\n")
    return "".join(parts)


def _facts(facts: Mapping[str, Any]) -> str:
    where = facts["gpu"] if facts["device"].startswith("cuda") else f"{facts['cpu']}, {facts['threads']} threads"
    commit = f"{(facts['commit'] or 'of no repository')[:7]}{', changed' if facts['dirty'] else ''}"
    torch = facts["packages"]["torch"]
    return f"{facts['date']}, {where}, torch {torch}, Python {facts['python']}, commit {commit}."
