"""What a part asks for and which options it has: read from its source, which is not run.

A part is a function, or a class whose `__init__` takes the options and whose `forward` does the work. A parameter whose
name is known (`teacher`, `joints`, ...) asks for that thing; any other is an option and needs a default. A loss asks
where it does its work, a model or head where it is made.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from distilpose.parts.naming import nearest


class PartError(ValueError):
    """A part that cannot be used as it stands: names its file and line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """An option of a part. `kind` is bool, int, float or str; an empty `kind` or no `choices` allow any value.

    A number must be from `least` to `most`; of `length` 2 it is a list of two.
    """

    name: str
    default: Any
    kind: str = ""
    choices: tuple[Any, ...] = ()
    optional: bool = False
    least: float = -math.inf
    most: float = math.inf
    length: int = 0

    def fault(self, value: Any) -> str | None:
        """The rule that a value breaks, or None."""
        if value is None and (self.optional or self.default is None):
            return None
        if isinstance(value, Mapping):
            return f"must be one value or a list, got {value!r:.80}"
        if self.length:
            if not isinstance(value, list | tuple) or len(value) != self.length:
                return f"must be a list of {self.length} numbers, got {value!r:.80}"
            return next(filter(None, map(replace(self, length=0).fault, value)), None)
        if self.choices and value not in self.choices:
            return f"must be one of {', '.join(map(str, self.choices))}, got {value!r}; {nearest(value, self.choices)}"
        kinds = {"bool": (bool,), "int": (int,), "float": (int, float), "str": (str,)}
        wanted = kinds.get(self.kind)
        words = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "text"}
        if wanted and (not isinstance(value, wanted) or (isinstance(value, bool) and self.kind != "bool")):
            return f"must be {words[self.kind]}, got {value!r:.80}"
        if isinstance(value, int | float) and not self.least <= value <= self.most:
            bound = f"at least {self.least:g}" if value < self.least else f"at most {self.most:,.15g}"
            return f"must be {bound}, got {value!r:.80}"
        return None

    def typed(self, value: Any) -> Any:
        """The value as declared: a whole number becomes a float where the option is one, a list a tuple."""
        if self.kind == "float" and isinstance(value, int):
            return float(value)
        return tuple(value) if isinstance(value, list) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A part as its source describes it.

    `asks` are the known things it takes, in order. `mixes_people` holds the options under which one person's value
    depends on another person of the batch: None for never, an empty mapping for always. `gives` names the fields of a
    model's or head's output; None where it does not say. `higher_is_better` is what a metric says of itself.
    """

    name: str
    file: Path
    line: int
    doc: str
    asks: tuple[str, ...]
    options: tuple[Option, ...]
    is_module: bool = False
    mixes_people: Mapping[str, Any] | None = None
    gives: tuple[str, ...] | None = None
    higher_is_better: bool | None = None

    @property
    def where(self) -> str:
        """The file's name and line, for messages."""
        return f"{self.file.name}:{self.line}"

    def faults(self, options: Mapping[str, Any]) -> dict[str, str]:
        """The rule broken by each option that is wrong."""
        known = {option.name: option for option in self.options}
        faults = {}
        for name, value in options.items():
            rule = known[name].fault(value) if name in known else f"no such option, {nearest(name, known)}"
            if rule is not None:
                faults[name] = f"{rule} ({self.where})"
        return faults

    def complete(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Every option with its value, the defaults of the signature standing for those that were not chosen."""
        return {option.name: option.typed(options.get(option.name, option.default)) for option in self.options}

    def defaults(self) -> dict[str, Any]:
        """Every option's default."""
        return {option.name: option.typed(option.default) for option in self.options}


def read_signature(file: Path, name: str, known: Collection[str], *, builds: bool = False) -> Signature:
    """The signature of the function or class `name` of a file; `known` are the things that a part may ask for.

    A part that `builds` a module asks in `__init__`, or as the function that returns it; any other in `forward`.

    Raises:
        PartError: no such file, function or class, or a parameter that is neither known nor has a plain default.

    """
    try:
        stamp = file.stat().st_mtime_ns
    except OSError as error:
        raise PartError(f"{file.name}: cannot be read: {error.strerror or error}") from None
    return _read(file, name, frozenset(known), builds, stamp)


@cache
def _read(file: Path, name: str, known: frozenset[str], builds: bool, _stamp: int) -> Signature:
    tree = syntax_tree(file)
    definitions = {item.name: item for item in tree.body if isinstance(item, ast.FunctionDef | ast.ClassDef)}
    found = definitions.get(name)
    if found is None:
        raise PartError(f"{file.name}: must define {name!r}, {nearest(name, definitions)}")
    literals = _literal_aliases(tree)
    if isinstance(found, ast.FunctionDef):
        asks, options = _parameters(file, found, found.args, known, literals)
    else:
        methods = {item.name: item for item in found.body if isinstance(item, ast.FunctionDef)}
        asks, options = (), ()
        if "__init__" in methods:
            made_of = known if builds else frozenset[str]()
            asks, options = _parameters(file, found, methods["__init__"].args, made_of, literals, method=True)
        if not builds:
            if "forward" not in methods:
                raise PartError(f"{file.name}:{found.lineno}: {name}: a class needs a method `forward`")
            asks, extra = _parameters(file, found, methods["forward"].args, known, literals, method=True)
            if extra:
                raise PartError(f"{file.name}:{found.lineno}: {extra[0].name}: options belong to `__init__`")
    return Signature(
        name=name,
        file=file,
        line=found.lineno,
        doc=ast.get_docstring(found) or "",
        asks=asks,
        options=options,
        is_module=isinstance(found, ast.ClassDef),
        mixes_people=_mixing(_said(file, tree, found, "mixes_people")),
        gives=_names(f"{file.name}:{found.lineno}: {name}", _said(file, tree, found, "gives")),
        higher_is_better=_said(file, tree, found, "higher_is_better"),
    )


def syntax_tree(file: Path) -> ast.Module:
    """The syntax tree of a source file. Raises PartError, naming file and line, where it is no Python."""
    try:
        return ast.parse(file.read_bytes(), filename=str(file))
    except OSError as error:
        raise PartError(f"{file.name}: cannot be read: {error.strerror or error}") from None
    except SyntaxError as error:
        raise PartError(f"{file.name}:{error.lineno or 1}: must be Python: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise PartError(f"{file.name}: must be Python: {error or type(error).__name__}") from None


def _parameters(
    file: Path,
    part: ast.FunctionDef | ast.ClassDef,
    arguments: ast.arguments,
    known: frozenset[str],
    literals: Mapping[str, tuple[Any, ...]],
    *,
    method: bool = False,
) -> tuple[tuple[str, ...], tuple[Option, ...]]:
    where = f"{file.name}:{part.lineno}: {part.name}"
    if arguments.vararg or arguments.kwarg or arguments.posonlyargs:
        raise PartError(f"{where}: every parameter must have a name that it can be given by; no *, ** or /")
    plain = arguments.args[1:] if method else arguments.args
    defaults: list[ast.expr | None] = [None] * (len(arguments.args) - len(arguments.defaults)) + [*arguments.defaults]
    pairs = [*zip(plain, defaults[len(arguments.args) - len(plain) :], strict=True)]
    pairs += [*zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    asks, options = [], []
    for parameter, default in pairs:
        if parameter.arg in known:
            asks.append(parameter.arg)
        elif default is None:
            hint = f"; {nearest(parameter.arg, known)}" if known else ""
            raise PartError(f"{where}: {parameter.arg}: nothing of this name is given; an option needs a default{hint}")
        else:
            options.append(_option(where, parameter, default, literals))
    return tuple(asks), tuple(options)


def _option(where: str, parameter: ast.arg, default: ast.expr, literals: Mapping[str, tuple[Any, ...]]) -> Option:
    try:
        value = ast.literal_eval(default)
    except ValueError:
        raise PartError(f"{where}: {parameter.arg}: the default must be a plain value") from None
    if isinstance(value, list):
        value = tuple(value)
    kind, choices, optional = _declared(parameter.annotation, literals)
    if not kind and not choices and type(value) in (bool, int, float, str):
        kind = type(value).__name__
    return Option(name=parameter.arg, default=value, kind=kind, choices=choices, optional=optional)


def _declared(
    annotation: ast.expr | None, literals: Mapping[str, tuple[Any, ...]]
) -> tuple[str, tuple[Any, ...], bool]:
    """The kind, the choices, and whether None is one of them."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        annotation = ast.parse(annotation.value, mode="eval").body
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        sides = (annotation.left, annotation.right)
        rest = [side for side in sides if not (isinstance(side, ast.Constant) and side.value is None)]
        kind, choices, _ = _declared(rest[0], literals) if len(rest) == 1 else ("", (), False)
        return kind, choices, len(rest) < len(sides)
    if isinstance(annotation, ast.Name):
        if annotation.id in literals:
            return "", literals[annotation.id], False
        return (annotation.id, (), False) if annotation.id in ("bool", "int", "float", "str") else ("", (), False)
    return "", _choices(annotation), False


def _choices(annotation: ast.expr | None) -> tuple[Any, ...]:
    if not isinstance(annotation, ast.Subscript):
        return ()
    named = annotation.value
    name = named.attr if isinstance(named, ast.Attribute) else named.id if isinstance(named, ast.Name) else ""
    if name != "Literal":
        return ()
    inner = annotation.slice
    return tuple(ast.literal_eval(item) for item in (inner.elts if isinstance(inner, ast.Tuple) else [inner]))


def _literal_aliases(tree: ast.Module) -> dict[str, tuple[Any, ...]]:
    """The names that stand for `Literal[...]` in the file."""
    found = {}
    for item in tree.body:
        if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name) and (choices := _choices(item.value)):
            found[item.targets[0].id] = choices
    return found


def _said(file: Path, tree: ast.Module, part: ast.FunctionDef | ast.ClassDef, attribute: str) -> Any:
    """The plain value of `NAME.attribute = ...` below the part, or of the attribute in a class; None without it."""
    for item in [*tree.body, *(part.body if isinstance(part, ast.ClassDef) else ())]:
        if not isinstance(item, ast.Assign):
            continue
        target = item.targets[0]
        of_function = (
            isinstance(target, ast.Attribute)
            and target.attr == attribute
            and isinstance(target.value, ast.Name)
            and target.value.id == part.name
        )
        if of_function or (item in part.body and isinstance(target, ast.Name) and target.id == attribute):
            try:
                return ast.literal_eval(item.value)
            except ValueError:
                where = f"{file.name}:{item.lineno}: {part.name}"
                raise PartError(f"{where}: {attribute}: must be written out as a plain value") from None
    return None


def _mixing(said: Any) -> Mapping[str, Any] | None:
    return said if isinstance(said, dict) else {} if said else None


def _names(where: str, said: Any) -> tuple[str, ...] | None:
    names = (said,) if isinstance(said, str) else said
    if names is None:
        return None
    if not isinstance(names, tuple | list) or not names or not all(isinstance(name, str) for name in names):
        raise PartError(f'{where}: gives: must be names, such as ("keypoints", "scores"), got {said!r}')
    return tuple(names)
