"""What a metric's name leaves open, for the foot of every table and drawing that shows it."""

import re

_PCK = re.compile(r"PCK@(\d*\.?\d+)(-torso)?")
_OTHERS = {
    r"\bPCKh@": "PCKh@T: share of labelled joints found within T head sizes, which are 0.6 of the head box's diagonal; "
    "pelvis and thorax are left out.",
    r"\bAP-(easy|medium|hard)\b": "AP-easy, AP-medium, AP-hard: AP of pictures with a crowd index below 0.2, from "
    "there below 0.8, and above.",
    r"\bAP-categories\b": "AP-categories: the mean of the AP of each category that has somebody.",
    r"\bAP-parts\b": "AP-parts: AP of the whole, and of each part by its own joints with the person's area and score.",
    r"\bAUC\b": "AUC: mean share of joints found over distances from 0 to 30 pixels.",
    r"\bEPE\b": "EPE: mean distance of labelled joints in pixels of the picture.",
}


def definitions(text: str) -> tuple[str, ...]:
    """A sentence for each kind of PCK, and each metric of published sets, that a text names."""
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
    return (*said, *(sentence for name, sentence in _OTHERS.items() if re.search(name, text)))


def _names(thresholds: list[str], suffix: str) -> str:
    return " and ".join(f"PCK@{threshold}{suffix}" for threshold in thresholds)
