"""What a metric's name leaves open, for the foot of every table and drawing that shows it."""

import re

_PCK = re.compile(r"PCK@(\d*\.?\d+)(-torso)?")


def definitions(text: str) -> tuple[str, ...]:
    """A sentence for each kind of PCK that a text names."""
    named = dict.fromkeys(_PCK.findall(text))
    of_box = [threshold for threshold, kind in named if not kind]
    of_torso = [threshold for threshold, kind in named if kind]
    said = []
    if of_box:
        said.append(
            f"{_names(of_box, '')}: share of labelled joints found within {' and '.join(of_box)} of the longer side of "
            "the person's box, not of the torso as for LSP."
        )
    if of_torso:
        said.append(
            f"{_names(of_torso, '-torso')}: share of labelled joints found within {' and '.join(of_torso)} of the "
            "distance from left shoulder to right hip."
        )
    return tuple(said)


def _names(thresholds: list[str], suffix: str) -> str:
    return " and ".join(f"PCK@{threshold}{suffix}" for threshold in thresholds)
