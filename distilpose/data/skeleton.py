"""A skeleton: what the joints of a data set are called, how they are joined, mirrored and scored."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from distilpose.data.foreign import is_number, is_printable, shown

MOST_JOINTS = 1000
_LONGEST_NAME = 100
_LOWER_BODY = ("hip", "knee", "ankle", "foot", "toe", "heel", "pelvis")


@dataclass(frozen=True, slots=True, kw_only=True)
class Skeleton:
    """The joints of a person. Every index counts from 0, in the order of `names`."""

    names: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...]
    flip_pairs: tuple[tuple[int, int], ...]
    sigmas: tuple[float, ...]
    upper_body: tuple[int, ...]
    parts: tuple[tuple[str, tuple[int, ...]], ...] = ()
    """Named groups of joints that tables show: `foot` of a whole body, say."""

    @property
    def num_joints(self) -> int:
        """How many joints a person has."""
        return len(self.names)

    def find(self, name: str) -> int:
        """The joint of this name, whether its words are joined by spaces, dashes or underscores, large or small.

        Raises:
            ValueError: there is none; the message names the nearest.
        """
        plain = [_plain(joint) for joint in self.names]
        if _plain(name) in plain:
            return plain.index(_plain(name))
        near = get_close_matches(_plain(name), plain, n=1)
        hint = f"did you mean {self.names[plain.index(near[0])]}? " if near else ""
        raise ValueError(f"joint {name!r}: there is no such joint; {hint}there are: {', '.join(self.names)}")

    def take(self, joints: Sequence[int]) -> Skeleton:
        """The skeleton of these joints, in this order; limbs and pairs go with either of their ends."""
        at = {joint: place for place, joint in enumerate(joints)}

        def within(pairs: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
            return tuple((at[a], at[b]) for a, b in pairs if a in at and b in at)

        parts = [(part, tuple(at[joint] for joint in found if joint in at)) for part, found in self.parts]
        return Skeleton(
            names=tuple(self.names[joint] for joint in joints),
            limbs=within(self.limbs),
            flip_pairs=within(self.flip_pairs),
            sigmas=tuple(self.sigmas[joint] for joint in joints),
            upper_body=tuple(sorted(at[joint] for joint in self.upper_body if joint in at)),
            parts=tuple((part, found) for part, found in parts if found),
        )

    @property
    def flip_permutation(self) -> tuple[int, ...]:
        """For each joint of a mirrored picture, the joint of the original that it shows."""
        order = list(range(self.num_joints))
        for a, b in self.flip_pairs:
            order[a], order[b] = b, a
        return tuple(order)


COCO = Skeleton(
    names=(
        "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
        "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
        "right_ankle",
    ),
    limbs=(
        (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10),
        (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
    ),
    flip_pairs=((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)),
    sigmas=(
        0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089,
        0.089,
    ),
    upper_body=tuple(range(11)),
)  # fmt: skip
"""COCO's 17 joints, limbs and sigmas, as published with the data set."""


def coco_category() -> dict[str, Any]:
    """COCO's person category as an annotation file holds it, with the flip pairs and sigmas written out."""
    return category_of(COCO)


def category_of(skeleton: Skeleton) -> dict[str, Any]:
    """A person category as an annotation file holds it, from which `read_skeleton` reads the skeleton again.

    `upper_body` is written where the names alone do not tell it.
    """
    names = skeleton.names
    category: dict[str, Any] = {
        "id": 1,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(names),
        "skeleton": [[a + 1, b + 1] for a, b in skeleton.limbs],
        "flip_pairs": [[names[a], names[b]] for a, b in skeleton.flip_pairs],
        "keypoint_sigmas": list(skeleton.sigmas),
    }
    if skeleton.upper_body != _upper_body({}, names, []):
        category["upper_body"] = [names[joint] for joint in skeleton.upper_body]
    if skeleton.parts:
        category["parts"] = {part: [names[joint] for joint in joints] for part, joints in skeleton.parts}
    return category


def read_skeleton(category: Mapping[str, Any]) -> tuple[Skeleton | None, list[tuple[str, str]]]:
    """The skeleton that a COCO category describes, or None and every fault: its field, and the rule with what to add.

    Read are `keypoints` (names), `skeleton` (limbs, counted from 1 as COCO does), `flip_pairs` (pairs of names, or of
    numbers counted from 1), `keypoint_sigmas` (OKS; one number is for all joints), `upper_body` (names or numbers from
    1) and `parts` (such lists by name; none by default). What else is absent comes from:

    - COCO's own, where the names are COCO's 17 in any order;
    - for `flip_pairs`, names that differ only by left and right, or l and r, in whatever spelling, where each that has
      a side has one partner;
    - for `upper_body` (which half-body augmentation needs), all joints but those named hip, knee, ankle, foot, toe,
      heel or pelvis. On COCO's names this gives COCO's own.
    """
    names_raw = category.get("keypoints")
    if not _is_list(names_raw) or not names_raw:
        return None, [("keypoints", f"a list of joint names is needed, got {shown(names_raw)}; add one")]
    if len(names_raw) > MOST_JOINTS:
        return None, [("keypoints", f"at most {MOST_JOINTS} joints, got {len(names_raw)}")]
    odd = [name for name in names_raw if not _is_name(name)]
    if odd:
        rule = f"names of 1 to {_LONGEST_NAME} characters are needed, none of them a control character"
        return None, [("keypoints", f"{rule}, got {shown(odd[0])}")]
    names = tuple(str(name) for name in names_raw)
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        return None, [("keypoints", f"names must differ, got {shown(twice)} more than once")]
    coco_like = set(names) == set(COCO.names)
    faults: list[tuple[str, str]] = []

    limbs = _pairs(category, "skeleton", names, faults)
    if limbs is None:
        if coco_like:
            limbs = _renamed(COCO.limbs, names)
        elif "skeleton" not in category:
            rule = "is absent; add the limbs as pairs of joint numbers counted from 1 ([] for none)"
            faults.append(("skeleton", rule))

    flip_pairs = _pairs(category, "flip_pairs", names, faults)
    if flip_pairs is None and "flip_pairs" not in category:
        flip_pairs = _mirrored_names(names)
        if flip_pairs is None:
            rule = "is absent and left/right names do not pair up; add it as pairs of joint names ([] for none)"
            faults.append(("flip_pairs", rule))
    if flip_pairs is not None:
        paired = [joint for pair in flip_pairs for joint in pair]
        if len(set(paired)) != len(paired):
            faults.append(("flip_pairs", "names a joint more than once; give each joint one partner at most"))

    sigmas = _sigmas(category, names, coco_like, faults)
    upper_body = _upper_body(category, names, faults)
    parts = _parts(category, names, faults)
    if faults:
        return None, faults
    assert limbs is not None
    assert flip_pairs is not None
    return Skeleton(
        names=names, limbs=limbs, flip_pairs=flip_pairs, sigmas=sigmas, upper_body=upper_body, parts=parts
    ), []


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= _LONGEST_NAME and is_printable(value)


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.strip().lower())


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _joint(value: object, names: tuple[str, ...]) -> int | None:
    """The joint's index from its name or its number counted from 1; None where there is no such joint."""
    if isinstance(value, str):
        return names.index(value) if value in names else None
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= len(names):
        return value - 1
    return None


def _pairs(
    category: Mapping[str, Any], field: str, names: tuple[str, ...], faults: list[tuple[str, str]]
) -> tuple[tuple[int, int], ...] | None:
    """The pairs of joints of a field; None where it is absent or, then noted in `faults`, malformed."""
    value = category.get(field)
    if value is None:
        if field in category:
            faults.append((field, "is null; give a list of pairs, or leave it out"))
        return None
    pairs = []
    for item in value if _is_list(value) else [value]:
        ends = [_joint(end, names) for end in item] if _is_list(item) else []
        if len(ends) != 2 or ends[0] is None or ends[1] is None or ends[0] == ends[1]:
            rule = f"pairs of two joints (names, or numbers from 1 to {len(names)}), got {shown(item)}"
            faults.append((field, rule))
            return None
        pairs.append((ends[0], ends[1]))
    return tuple(pairs)


def _renamed(limbs: tuple[tuple[int, int], ...], names: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """COCO's limbs in the order of other joints of the same names."""
    return tuple((names.index(COCO.names[a]), names.index(COCO.names[b])) for a, b in limbs)


def _mirrored_names(names: tuple[str, ...]) -> tuple[tuple[int, int], ...] | None:
    """Pairs of names that differ only by left and right; None where a sided name has not exactly one partner."""
    words = [_words(name) for name in names]
    pairs = []
    for index, own in enumerate(words):
        partners = [other for other, word in enumerate(words) if word == _mirrored(own)]
        if _mirrored(own) == own:
            continue
        if len(partners) != 1 or words.count(own) != 1:
            return None
        if index < partners[0]:
            pairs.append((index, partners[0]))
    return tuple(pairs)


_SIDES = {"left": "right", "right": "left", "l": "r", "r": "l"}


def _words(name: str) -> tuple[str, ...]:
    """The words of a joint's name, small: `LEFT_EYE`, `Left Eye`, `leftEye` and `lefteye` have the same two.

    A single letter is a side beside a word (`L_Eye`, `eye_l`, `RWrist`), not beside a number alone (`L5`, a vertebra).
    """
    cut = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    cut = re.sub(r"^(left|right)(?=[a-z])", r"\1 ", cut.lower())
    words = re.findall(r"[^\W\d_]+|\d+", cut)
    if not any(word.isalpha() and word not in ("l", "r") for word in words):
        return (" ".join(words),)
    return tuple(words)


def _mirrored(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_SIDES.get(word, word) for word in words)


def _sigmas(
    category: Mapping[str, Any], names: tuple[str, ...], coco_like: bool, faults: list[tuple[str, str]]
) -> tuple[float, ...]:
    value = category.get("keypoint_sigmas")
    if value is None:
        if coco_like:
            return tuple(COCO.sigmas[COCO.names.index(name)] for name in names)
        faults.append(("keypoint_sigmas", f"is absent; add the OKS sigmas of the {len(names)} joints"))
        return ()
    if is_number(value) and value > 0:
        return (float(value),) * len(names)
    if not _is_list(value) or len(value) != len(names) or not all(is_number(v) and v > 0 for v in value):
        faults.append(("keypoint_sigmas", f"{len(names)} positive numbers, one a joint, got {shown(value)}"))
        return ()
    return tuple(float(v) for v in value)


def _upper_body(category: Mapping[str, Any], names: tuple[str, ...], faults: list[tuple[str, str]]) -> tuple[int, ...]:
    if category.get("upper_body") is None:
        return tuple(i for i, name in enumerate(names) if not any(part in name.lower() for part in _LOWER_BODY))
    return tuple(sorted(set(_joints("upper_body", category["upper_body"], names, faults))))


def _parts(
    category: Mapping[str, Any], names: tuple[str, ...], faults: list[tuple[str, str]]
) -> tuple[tuple[str, tuple[int, ...]], ...]:
    value = category.get("parts") or {}
    if not isinstance(value, Mapping) or not all(_is_name(part) for part in value):
        faults.append(("parts", f"lists of joints by the name of the part, got {shown(value)}"))
        return ()
    return tuple((part, _joints(f"parts.{part}", joints, names, faults)) for part, joints in value.items())


def _joints(field: str, value: object, names: tuple[str, ...], faults: list[tuple[str, str]]) -> tuple[int, ...]:
    joints = [_joint(item, names) for item in value] if isinstance(value, list | tuple) else [None]
    if None in joints:
        faults.append((field, f"joint names, or numbers from 1 to {len(names)}, got {shown(value)}"))
    return tuple(joint for joint in joints if joint is not None)
