"""The model that a run trains: which, with which head and options; a user's own too. Imports no torch."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from distilpose.heads import HEAD_ASKS, HEADS, MODEL_ASKS, SWITCHES
from distilpose.integrations.mmpose_configs import read_config
from distilpose.models.published import MODELS, find_spec, resolve_spec
from distilpose.models.spec import ALL_OPTIONS, MMPOSE, TIMM, ModelSpec, model_options, option_faults, with_head
from distilpose.parts.naming import nearest
from distilpose.parts.own import OwnPart, find_own, registered, tuples
from distilpose.parts.reference import Place, is_reference
from distilpose.parts.signature import PartError, Signature, read_signature


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUse:
    """A model in use, by its name in `MODELS`, as `timm:NAME`, as `mmpose:CONFIG` or, of a user's `own`, as the sweep
    writes it; `head` is None for the model's own.

    `options` holds the chosen ones, every one of a user's own code. `version`, where given, stands for the code of a
    user's own model and head in a run's id.
    """

    model: str
    head: str | None = None
    options: tuple[tuple[str, Any], ...] = ()
    own: OwnPart | None = None
    own_head: OwnPart | None = None
    version: int | None = None

    def spec(self, **given: Any) -> ModelSpec:
        """The model in numbers, for these joints, input size and outputs. Raises ValueError as `resolve_spec` does."""
        options: dict[str, Any] = {**self.own_parts, **self.chosen, **given}
        return resolve_spec(self.model, **options)

    @property
    def chosen(self) -> dict[str, Any]:
        """The head and the options that were chosen, as `resolve_spec` takes them."""
        return {**({} if self.head is None else {"head": self.head}), **dict(self.options)}

    def get(self, option: str) -> Any:
        """The value of an option, or None where it was not chosen."""
        return dict(self.options).get(option)

    @property
    def own_parts(self) -> dict[str, OwnPart]:
        """The code of users in it, by the names that `resolve_spec` has for them."""
        parts = {"own": self.own, "own_head": self.own_head}
        return {name: part for name, part in parts.items() if part is not None}

    def plain(self) -> dict[str, Any]:
        """The model as JSON values, options beside its name, as `read_model` takes it."""
        rest = {"head": self.head, "version": self.version}
        options = {name: list(value) if isinstance(value, tuple) else value for name, value in self.options}
        return {
            "model": self.model,
            **options,
            **{name: value for name, value in rest.items() if value is not None},
            **{name: asdict(part) for name, part in self.own_parts.items()},
        }


_FIELDS = ("model", "head", "version", "own", "own_head")


def read_model(
    values: Mapping[str, Any], folder: Path, *, beside: Collection[str]
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The fields of a `ModelUse` that a recipe describes, those `beside` it as they are, and what is wrong by field.

    `folder` is that of the sweep's file. A name or type that is no model's is left to whoever reads the fields.
    """
    read = {name: value for name, value in values.items() if name in (*_FIELDS, *beside)}
    options = {name: tuples(value) for name, value in values.items() if name not in read and value is not None}
    name, head, version = (values.get(field) for field in ("model", "head", "version"))
    faults: list[tuple[str, str]] = []
    if any(isinstance(values.get(field), Mapping) for field in ("own", "own_head")):  # was read before
        for field in ("own", "own_head"):
            if values.get(field) is not None:
                read[field] = OwnPart.from_json(values[field])
        return {**read, "options": tuple(options.items())}, []
    read.pop("own", None)
    read.pop("own_head", None)
    if not isinstance(name, str) or not (head is None or isinstance(head, str)):
        return {**read, "options": ()}, []
    signatures: list[Signature] = []
    for field, reference, kind in (("model", name, "model"), ("head", head, "head")):
        if reference is None or not is_own(reference, kind):
            continue
        try:
            place, signature = find_model_part(reference, folder, kind)
            taken = [option.name for option in signature.options if option.name in (*_FIELDS, *beside, "options")]
            if taken:
                raise PartError(f"{signature.where}: {taken[0]}: no option can be called so; rename it")
            if kind == "head" and signature.gives is None:
                raise PartError(
                    f'{signature.where}: a head says what it gives, such as gives = ("keypoints", "scores")'
                )
        except ValueError as error:
            faults.append((field, str(error)))
            continue
        signatures.append(signature)
        read["own" if kind == "model" else "own_head"] = OwnPart.of(place, signature)
    if version is not None and not (isinstance(version, int) and not isinstance(version, bool) and signatures):
        rule = "must be a whole number" if signatures else "belongs to code of your own: that of the package has its"
        faults.append(("version", f"{rule}, got {version!r}"))
    if faults:
        return {**read, "options": ()}, faults
    try:
        spec = with_head(find_spec(name, read.get("own")), head, read.get("own_head"))
    except ValueError:  # told by whoever makes a model of it
        unknown = [option for option in options if option not in ALL_OPTIONS]
        return {**read, "options": ()}, [(one, f"no such option, {nearest(one, ALL_OPTIONS)}") for one in unknown]
    if head == find_spec(name, read.get("own")).head:
        read["head"] = None
    found, faults = _options(spec, options, signatures)
    return {**read, "options": tuple(found.items())}, faults


def is_own(name: str, kind: str) -> bool:
    """Whether the name of a model or head (the `kind`) means a user's code, a package's, or mmpose's configuration."""
    if name in MODELS or name in HEADS or name.startswith(TIMM):
        return False
    return is_reference(name) or name in registered(kind)


def find_model_part(reference: str, folder: Path, kind: str) -> tuple[Place, Signature]:
    """Where a user's own model or head (the `kind`) stands, and what it says of itself.

    Raises:
        ValueError: there is none, or it says something that cannot be.

    """
    if kind == "model" and reference.startswith(MMPOSE):
        return read_config(reference, folder)
    place = find_own(reference, folder, kind, MODELS if kind == "model" else HEADS)
    asks = MODEL_ASKS if kind == "model" else HEAD_ASKS
    return place, read_signature(place.file, place.name, asks, builds=True)


def places_of_model(use: ModelUse, folder: Path) -> dict[str, Place]:
    """Where the users' own code in a model stands, by its digest."""
    names = {"own": ("model", use.model), "own_head": ("head", use.head or "")}
    return {
        part.code: find_model_part(names[field][1], folder, names[field][0])[0] for field, part in use.own_parts.items()
    }


def _options(
    spec: ModelSpec, options: Mapping[str, Any], signatures: Collection[Signature]
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Every option of a user's own code and the chosen ones of ours, and what is wrong with any."""
    of_own = {option.name: (option, signature) for signature in signatures for option in signature.options}
    of_ours = model_options(spec) if spec.own is None or spec.head else {}
    if spec.own is not None:
        of_ours = {name: option for name, option in of_ours.items() if name not in of_own}
    found = {name: option.typed(options.get(name, option.default)) for name, (option, _) in of_own.items()}
    faults = []
    for name, value in options.items():
        rule = None
        if name in of_own:
            option, signature = of_own[name]
            fault = option.fault(value)
            rule = None if fault is None else f"{fault} ({signature.where})"
        elif name in of_ours:
            rule = of_ours[name].fault(value)
            found[name] = value
        elif signatures or name in SWITCHES:
            where = f" ({', '.join(signature.where for signature in signatures)})" if signatures else ""
            rule = f"no such option, {nearest(name, [*of_own, *of_ours])}{where}"
        else:
            rule = option_faults(spec, {name: value})[name]
        if rule is not None:
            faults.append((name, rule))
    return found, faults
