"""The trackers by name. A new one is a file with a `Service`, and a line here."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from experiments.track.protocol import Service

TRACKERS = {
    "wandb": "experiments.track.wandb.tracker:Wandb",
    "tensorboard": "experiments.track.tensorboard:TensorBoard",
    "mlflow": "experiments.track.mlflow:MLflow",
    "trackio": "experiments.track.trackio:Trackio",
}
NONE = "none"


def read_trackers(texts: Sequence[str]) -> tuple[dict[str, Any], ...]:
    """The trackers that `--track` names, as a job keeps them; `none` names none."""
    if NONE in texts and len(texts) > 1:
        raise ValueError(f"--track {NONE}: excludes other trackers, got {', '.join(texts)}")
    return tuple(read_tracker(text) for text in texts if text != NONE)


def read_tracker(text: str) -> dict[str, Any]:
    """A tracker from NAME[:OPTION,...], where an option is KEY=VALUE, or a word that can mean one field alone.

    Raises ValueError for what the tracker does not know.
    """
    name, _, words = text.partition(":")
    kind = _kind(name, text)
    types = get_type_hints(kind)
    options = {}
    for word in filter(None, words.split(",")):
        key, is_pair, value = word.partition("=")
        if not is_pair:
            key = next(
                (key for key, type_ in types.items() if key in kind.__annotations__ and _means(word, key, type_)), ""
            )
            value = "true" if key == word else word
        if key not in kind.__annotations__:
            raise ValueError(f"--track {text}: {word}: no such option of {name}, which has {_known(kind, types)}")
        options[key] = value
    return {"kind": name, **_checked(kind, options, text)}


def open_service(tracker: Mapping[str, Any]) -> "Service":
    """The service that an entry of a job's `track` names."""
    options = dict(tracker)
    name = str(options.pop("kind", ""))
    service: Service = _kind(name, name)(**options)
    return service


def _kind(name: str, text: str) -> Any:
    if name not in TRACKERS:
        raise ValueError(f"--track {text}: must be one of {', '.join(TRACKERS)} or {NONE}, got {name!r}")
    module, _, attribute = TRACKERS[name].partition(":")
    return getattr(import_module(module), attribute)


def _means(word: str, key: str, type_: Any) -> bool:
    return (type_ is bool and word == key) or (get_origin(type_) is Literal and word in get_args(type_))


def _known(kind: Any, types: Mapping[str, Any]) -> str:
    words = [
        "|".join(get_args(types[key]))
        if get_origin(types[key]) is Literal
        else key
        if types[key] is bool
        else f"{key}=..."
        for key in kind.__annotations__
    ]
    return ", ".join(words)


def _checked(kind: Any, options: Mapping[str, str], text: str) -> dict[str, Any]:
    """The options with their types."""
    from pydantic import TypeAdapter, ValidationError

    try:
        service = TypeAdapter(kind).validate_python(options)
    except ValidationError as error:
        (fault, *_) = error.errors()
        where = ".".join(map(str, fault["loc"]))
        raise ValueError(f"--track {text}: {where}: {fault['msg']}, got {fault['input']!r}") from None
    return {key: getattr(service, key) for key in options}
