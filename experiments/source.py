"""YAML that remembers where every value stands, so that a mistake can be shown at its line and column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

Path_ = tuple[str | int, ...]
Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a file, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake of a file's author, as `file:line:column: field: rule, got value`; with the rows it shows in."""

    file: str
    place: Place
    field: str
    message: str
    rows: tuple[str, ...] = ()

    def __str__(self) -> str:
        field = f"{self.field}: " if self.field else ""
        more = f" and {len(self.rows) - 1} more" if len(self.rows) > 1 else ""
        row = f" (row {self.rows[0]!r}{more})" if self.rows else ""
        return f"{self.file}:{self.place.line}:{self.place.column}: {field}{self.message}{row}"


class SpecError(ValueError):
    """Everything that is wrong with a sweep file, all at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        same: dict[tuple[str, Place, str, str], Problem] = {}
        for problem in sorted(problems, key=lambda problem: (problem.file, problem.place, problem.field)):
            # What a teacher takes from its row is wrong in both for one reason.
            key = (problem.file, problem.place, problem.field.removeprefix("teacher."), problem.message)
            first = same.setdefault(key, problem)
            same[key] = replace(first, rows=tuple(dict.fromkeys((*first.rows, *problem.rows))))
        self.problems = tuple(same.values())
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True)
class Node:
    """A value and where it stands; `key` is where the key that names it stands.

    The rows of a table share the nodes they do not change, and with them what is worked out of these once.
    """

    value: Scalar | dict[str, Node] | list[Node]
    place: Place
    key: Place

    @property
    def mapping(self) -> dict[str, Node]:
        """The items of a mapping; none for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> list[Node]:
        """The items of a list; none for anything else."""
        return self.value if isinstance(self.value, list) else []

    @cached_property
    def plain(self) -> Any:
        """The value without its places, to be read only."""
        if isinstance(self.value, dict):
            return {name: item.plain for name, item in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain for item in self.value]
        return self.value

    @cached_property
    def frozen(self) -> Any:
        """The value without its places and with tuples for lists, as records want it; to be read only."""
        if isinstance(self.value, dict):
            return {name: item.frozen for name, item in self.value.items()}
        if isinstance(self.value, list):
            return tuple(item.frozen for item in self.value)
        return self.value

    def get(self, *path: str | int) -> Node | None:
        """What stands at a path below, or None."""
        node: Node | None = self
        for step in path:
            if node is None:
                return None
            if isinstance(step, str):
                node = node.mapping.get(step)
            else:
                node = node.items[step] if step < len(node.items) else None
        return node

    def nearest(self, path: Path_) -> Node:
        """What stands at a path, or else the innermost thing around it."""
        node = self
        for step in path:
            below = node.get(step)
            if below is None:
                return node
            node = below
        return node

    def with_items(self, **items: Node) -> Node:
        """This mapping with some items replaced or added."""
        return replace(self, value={**self.mapping, **items})


def dotted(path: Path_) -> str:
    """A path as people write it: `schedule.milestones[1]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def merge(under: Node, over: Node) -> Node:
    """`under` with everything `over` says, mapping by mapping; lists and plain values are replaced.

    A mapping that names another `model`, or that changes between a model of ours and one of `mmpose`, or between a data
    folder and `synthetic` people, replaces the earlier one whole: the sizes of one model mean nothing to another.
    A number that meets a mapping is its `weight`.
    """
    under, over = _weighted(under, over), _weighted(over, under)
    if not isinstance(under.value, dict) or not isinstance(over.value, dict) or _another(under, over):
        return over
    items = dict(under.value)
    for name, item in over.value.items():
        items[name] = merge(items[name], item) if name in items else item
    return Node(items, over.place, over.key)


def _weighted(node: Node, other: Node) -> Node:
    """A number that meets a mapping is its `weight`: `SH: 0.1` over `SH: {weight: 1, form: official}`."""
    is_number = isinstance(node.value, int | float) and not isinstance(node.value, bool)
    return replace(node, value={"weight": node}) if is_number and isinstance(other.value, dict) else node


def steps_of(field: str) -> list[str]:
    """The names of a dotted field; a user's own part, `losses.my_losses.py:limbs.norm`, is one name."""
    first, _, rest = field.partition(".")
    if ":" not in rest:
        return field.split(".")
    where, _, end = rest.partition(":")
    name, *more = end.split(".")
    return [first, f"{where}:{name}", *more]


def _another(under: Node, over: Node) -> bool:
    before, after = under.mapping.get("model"), over.mapping.get("model")
    if before is not None and after is not None and before.value != after.value:
        return not (isinstance(before.value, dict) and isinstance(after.value, dict))  # a factor may be called so
    if ("mmpose" in under.mapping and after is not None) or ("mmpose" in over.mapping and before is not None):
        return True
    return ("root" in under.mapping and "synthetic" in over.mapping) or (
        "synthetic" in under.mapping and "root" in over.mapping
    )


def put(node: Node, path: Sequence[str], value: Node) -> Node:
    """`node` with what stands at a path of names merged with `value`; mappings on the way are made where missing."""
    for name in reversed(path):
        value = Node({name: value}, value.place, value.key)
    return merge(node, value)


def read_yaml(path: Path, shown: str) -> Node:
    """The one YAML document of a file. Raises SpecError, saying `shown` for the file's name."""
    yaml = YAML(typ="safe", pure=True)
    try:
        tree = yaml.compose(path.read_text(encoding="utf-8"))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
        raise SpecError([Problem(shown, place, "", f"must be YAML: {error.problem}")]) from None
    except UnicodeDecodeError as error:
        raise SpecError([Problem(shown, Place(1, 1), "", f"must be UTF-8 text: {error.reason}")]) from None
    if not isinstance(tree, MappingNode):
        raise SpecError([Problem(shown, Place(1, 1), "", "must be a mapping of fields, got something else or nothing")])
    problems: list[Problem] = []
    node = _located(tree, tree, yaml, shown, problems)
    if problems:
        raise SpecError(problems)
    return node


def _place(tree: Any) -> Place:
    return Place(tree.start_mark.line + 1, tree.start_mark.column + 1)


def _located(tree: Any, key: Any, yaml: YAML, shown: str, problems: list[Problem]) -> Node:
    if isinstance(tree, MappingNode):
        items: dict[str, Node] = {}
        for name, item in _pairs(tree, shown, problems):
            items[name.value] = _located(item, name, yaml, shown, problems)
        return Node(items, _place(tree), _place(key))
    if isinstance(tree, SequenceNode):
        return Node([_located(item, item, yaml, shown, problems) for item in tree.value], _place(tree), _place(key))
    assert isinstance(tree, ScalarNode)
    value = None
    try:
        value = yaml.constructor.construct_object(tree)
    except (MarkedYAMLError, ValueError):
        pass
    else:
        if value is None or isinstance(value, str | int | float | bool):
            return Node(value, _place(tree), _place(key))
    problems.append(
        Problem(shown, _place(tree), "", f"must be text, a number, true, false or null, got {tree.value!r}")
    )
    return Node(None, _place(tree), _place(key))


def _pairs(tree: MappingNode, shown: str, problems: list[Problem]) -> Iterator[tuple[ScalarNode, Any]]:
    seen: dict[str, Place] = {}
    for name, item in tree.value:
        if not isinstance(name, ScalarNode):
            problems.append(Problem(shown, _place(name), "", "a field's name must be text, got a list or mapping"))
        elif name.value in seen:
            first = seen[name.value].line
            problems.append(
                Problem(shown, _place(name), name.value, f"must be given once, first given in line {first}")
            )
        else:
            seen[name.value] = _place(name)
            yield name, item
