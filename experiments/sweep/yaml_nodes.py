"""YAML that keeps the line and column of every value, for messages about mistakes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.reader import ReaderError

Path_ = tuple[str | int, ...]
Scalar = str | int | float | bool | None

MAX_BYTES = 4_000_000
MAX_VALUES = 200_000
MAX_DEPTH = 32
MAX_PROBLEMS = 100
MAX_SHOWN = 120

# Line breaks and tabs are the only control characters of a text; half a surrogate pair is no character at all.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a file, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake of a file's author, as `file:line:column: field: rule, got value`, with the rows it occurs in."""

    file: str
    place: Place
    field: str
    message: str
    rows: tuple[str, ...] = ()

    def __str__(self) -> str:
        field = f"{shortened(self.field)}: " if self.field else ""
        more = f" and {len(self.rows) - 1} more" if len(self.rows) > 1 else ""
        row = f" (row {shown(self.rows[0])}{more})" if self.rows else ""
        return f"{self.file}:{self.place.line}:{self.place.column}: {field}{self.message}{row}"


class SpecError(ValueError):
    """Everything wrong with a sweep file, at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        same: dict[tuple[str, Place, str, str], list[Problem]] = {}
        for problem in sorted(problems, key=lambda problem: (problem.file, problem.place, problem.field)):
            # One value that several fields take is wrong in all of them for one reason.
            key = (problem.file, problem.place, problem.field.rpartition(".")[2], problem.message)
            same.setdefault(key, []).append(problem)
        self.problems = tuple(
            replace(alike[0], rows=tuple(dict.fromkeys(row for problem in alike for row in problem.rows)))
            for alike in same.values()
        )
        lines = [str(problem) for problem in self.problems[:MAX_PROBLEMS]]
        if len(self.problems) > MAX_PROBLEMS:
            lines.append(f"... and {len(self.problems) - MAX_PROBLEMS:,} more")
        super().__init__("\n".join(lines))


@dataclass(frozen=True)
class Node:
    """A value and its place; `key` is the place of its key.

    Rows share the nodes they do not change, and what is computed of these.
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
        """The value without places. Do not change it."""
        if isinstance(self.value, dict):
            return {name: item.plain for name, item in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain for item in self.value]
        return self.value

    @cached_property
    def frozen(self) -> Any:
        """The value without places, with tuples for lists, as records want it. Do not change it."""
        if isinstance(self.value, dict):
            return {name: item.frozen for name, item in self.value.items()}
        if isinstance(self.value, list):
            return tuple(item.frozen for item in self.value)
        return self.value

    def get(self, *path: str | int) -> Node | None:
        """The node at a path below, or None."""
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
        """The node at a path, or else the innermost one around it."""
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


def shown(value: Any) -> str:
    """A value for a message: as YAML writes it, shortened."""
    return shortened(_written(value))


def shortened(text: str) -> str:
    """A long text with its middle left out."""
    half = MAX_SHOWN // 2
    return text if len(text) <= MAX_SHOWN else f"{text[:half]}...{text[-half:]} ({len(text):,} characters)"


def _written(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return f"a mapping of {', '.join(map(str, value))}" if value else "an empty mapping"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(shown, value))}]"
    return repr(value)


def dotted(path: Path_) -> str:
    """A path as people write it: `schedule.milestones[1]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


Another = Callable[[Node, Node], bool]


def merge(under: Node, over: Node, another: Another) -> Node:
    """`under` with everything `over` says, mapping by mapping; `over`'s lists and plain values replace earlier ones.

    So does a mapping where `another(under, over)`: it describes another thing. A number that meets a mapping is its
    `weight`.
    """
    under, over = _weighted(under, over), _weighted(over, under)
    if not isinstance(under.value, dict) or not isinstance(over.value, dict) or another(under, over):
        return over
    items = dict(under.value)
    for name, item in over.value.items():
        items[name] = merge(items[name], item, another) if name in items else item
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


def put(node: Node, path: Sequence[str], value: Node, another: Another) -> Node:
    """`node` with the node at a path of names merged with `value`; missing mappings on the way are made."""
    for name in reversed(path):
        value = Node({name: value}, value.place, value.key)
    return merge(node, value, another)


def read_yaml(path: Path, shown_as: str) -> Node:
    """The one YAML document of a file, bounded in size and depth, aliases expanded. Raises SpecError, which names the
    file `shown_as`.
    """
    if (size := path.stat().st_size) > MAX_BYTES:
        raise _refused(shown_as, Place(1, 1), f"must be a file of at most {MAX_BYTES:,} bytes, got {size:,}")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise _refused(shown_as, Place(1, 1), f"must be UTF-8 text: {error.reason}") from None
    return _read(text, shown_as)


def read_value(text: str, shown_as: str) -> Node:
    """One value as YAML, such as 1e-3 or [1, 2]. Raises SpecError, which names it `shown_as`."""
    return _read(f"{{value: {text}}}", shown_as).mapping["value"]


def _read(text: str, shown_as: str) -> Node:
    reader = _Reader(text, shown_as)
    try:
        document = reader.document()
    except ReaderError as error:
        before = text[: error.position]
        place = Place(before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise _refused(shown_as, place, f"must have no control characters, got {chr(error.character)!r}") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
        raise _refused(shown_as, place, f"must be YAML: {shortened(str(error.problem))}") from None
    if reader.problems:
        raise SpecError(reader.problems)
    return document


def _refused(file: str, place: Place, message: str) -> SpecError:
    return SpecError([Problem(file, place, "", message)])


class _Reader:
    """Turns YAML events into nodes, with the anchors and the number of values so far."""

    def __init__(self, text: str, file: str) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._yaml = YAML(typ="safe", pure=True)
        self._events: Iterator[Any] = self._yaml.parse(text)
        self._anchors: dict[str, Node] = {}
        self._values = 0

    def document(self) -> Node:
        """The one mapping of the file. Raises SpecError for another root, a second document or a bound passed."""
        next(self._events)  # the start of the stream
        root = None
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    raise _refused(self._file, _place(event), "must be one YAML document, got another")
                first = next(self._events)
                if not isinstance(first, MappingStartEvent):
                    break
                root = self._node(first, _place(first), 1)
        if root is None:
            raise _refused(self._file, Place(1, 1), "must be a mapping of fields, got something else or nothing")
        return root

    def _node(self, event: Any, key: Place, depth: int) -> Node:
        place = _place(event)
        if isinstance(event, AliasEvent):
            return self._aliased(event, key, depth)
        self._count(place, 1, depth)
        self._refuse_tag(event)
        if isinstance(event, MappingStartEvent):
            node = Node(self._mapping(depth), place, key)
        elif isinstance(event, SequenceStartEvent):
            node = Node(
                [self._node(item, _place(item), depth + 1) for item in self._until(SequenceEndEvent)], place, key
            )
        else:
            node = Node(self._scalar(event), place, key)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _mapping(self, depth: int) -> dict[str, Node]:
        items: dict[str, Node] = {}
        for name in self._until(MappingEndEvent):
            place = _place(name)
            if not isinstance(name, ScalarEvent):
                self._node(name, place, depth + 1)
                self.problems.append(Problem(self._file, place, "", "a field's name must be text, got something else"))
            else:
                self._refuse_tag(name)
                self._refuse_unprintable(name)
            item = self._node(next(self._events), place, depth + 1)
            if isinstance(name, ScalarEvent):
                first = items.setdefault(name.value, item)
                if first is not item:
                    message = f"must be given once, first given in line {first.key.line}"
                    self.problems.append(Problem(self._file, place, name.value, message))
        return items

    def _until(self, end: type) -> Iterator[Any]:
        """The next events at this level, up to the end of what is open."""
        while not isinstance(event := next(self._events), end):
            yield event

    def _aliased(self, event: Any, key: Place, depth: int) -> Node:
        named = self._anchors.get(event.anchor)
        if named is None:
            message = f"an alias must stand after the whole of what it names, got {shown('*' + event.anchor)}"
            raise _refused(self._file, _place(event), message)
        values, levels = _extent(named)
        self._count(_place(event), values, depth + levels - 1)
        return replace(named, key=key)

    def _count(self, place: Place, values: int, depth: int) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            message = f"a file must have at most {MAX_VALUES:,} values, aliases counted each time, and has more here"
            raise _refused(self._file, place, message)
        if depth > MAX_DEPTH:
            raise _refused(self._file, place, f"must be nested at most {MAX_DEPTH} levels deep, and is deeper here")

    def _scalar(self, event: Any) -> Scalar:
        self._refuse_unprintable(event)
        value: Any = event.value
        if event.implicit[0]:  # plain: a number, a switch, null, or text after all
            tag = self._yaml.resolver.resolve(ScalarNode, event.value, event.implicit)
            node = ScalarNode(tag, event.value, event.start_mark, event.end_mark)
            try:
                value = self._yaml.constructor.construct_object(node)
            except (MarkedYAMLError, ValueError, IndexError):
                value = ...
        rule = None
        if value is not None and not isinstance(value, str | int | float):
            rule = "must be text, a number, true, false or null"
        elif isinstance(value, int) and value.bit_length() > 63:
            rule = "must be a number of at most 64 bits"
        if rule is None:
            scalar: Scalar = value
            return scalar
        message = f"{rule}, got {shown(event.value)}; in quotes it is text"
        self.problems.append(Problem(self._file, _place(event), "", message))
        return None

    def _refuse_tag(self, event: Any) -> None:
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            message = f"must have no tag, got {shown(tag)}; write a value so that it needs none"
            self.problems.append(Problem(self._file, _place(event), "", message))

    def _refuse_unprintable(self, event: Any) -> None:
        if (found := _UNPRINTABLE.search(event.value)) is not None:
            message = f"must have no control characters, got {found.group()!r}"
            self.problems.append(Problem(self._file, _place(event), "", message))


def _place(event: Any) -> Place:
    return Place(event.start_mark.line + 1, event.start_mark.column + 1)


def _extent(node: Node) -> tuple[int, int]:
    """How many values a node has, itself included, and how many levels."""
    below = [_extent(item) for item in (*node.mapping.values(), *node.items)]
    return 1 + sum(values for values, _ in below), 1 + max((levels for _, levels in below), default=0)
