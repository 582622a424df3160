"""What a file of weights says of its model, so that the file alone is enough to build it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from distilpose.data.foreign import shown
from distilpose.data.skeleton import MOST_JOINTS, Skeleton, category_of, read_skeleton
from distilpose.models.builders import build_model
from distilpose.models.specs import MODELS, ModelSpec, known_options, resolve_spec

MOST = {
    "joints": MOST_JOINTS,
    "input_size": 2048,
    "width": 4096,
    "stem": 4096,
    "dim": 2048,
    "depth": 256,
    "heads": 256,
    "patch": 2048,
    "cycles": 256,
}
"""The sizes of `build_model` that a description may give, and the largest of each: far beyond any published model."""
_MOST_OF_HEAD = 4096
_PAIRS = ("input_size", "patch")
_MOST_TOKENS = 16_384  # every one looks at every other


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A model by name, the options of `build_model` that differ from the published ones, and what its joints are.

    `skeleton` is None where the file does not say: then nobody knows the joints' names.
    """

    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    skeleton: Skeleton | None = None

    def spec(self) -> ModelSpec:
        """The model in numbers. Raises ValueError where the name or an option is no model's."""
        return resolve_spec(self.model, **self.options)

    def build(self) -> nn.Module:
        """The model, freshly initialised. Raises ValueError where the name or an option is no model's."""
        return build_model(self.model, **self.options)

    def to_metadata(self) -> dict[str, str]:
        """The description as the metadata of a safetensors file."""
        said = {"format": "pt", "model": self.model, "options": json.dumps(dict(self.options))}
        if self.skeleton is not None:
            said["skeleton"] = json.dumps(category_of(self.skeleton))
        return said


def description_from_metadata(metadata: Mapping[str, str], file: str) -> Description | None:
    """What the metadata of a file of weights say; None where they name no model. `file` is only for messages.

    Raises:
        ValueError: what they say is malformed, is no model, or is one larger than `MOST`.
    """
    if "model" not in metadata:
        return None
    at = f"{file}: its metadata"
    if metadata["model"] not in MODELS:
        raise ValueError(f"{at}: model must be one of {', '.join(MODELS)}, got {shown(metadata['model'])}")
    try:
        options = json.loads(metadata.get("options", "{}"))
        category = json.loads(metadata.get("skeleton", "null"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{at} must hold options and skeleton as JSON") from error
    if not isinstance(options, dict):
        raise ValueError(f"{at}: options must be an object, got {shown(options)}")
    for name, value in options.items():
        _check_option(name, value, at)
    description = Description(
        model=metadata["model"],
        options={name: tuple(value) if isinstance(value, list) else value for name, value in options.items()},
        skeleton=_skeleton(category, at),
    )
    try:
        spec = description.spec()
    except ValueError as error:
        raise ValueError(f"{at}: {error}") from error
    if spec.visual_tokens > _MOST_TOKENS:
        raise ValueError(
            f"{at}: input_size and patch must make at most {_MOST_TOKENS} visual tokens, make {spec.visual_tokens}"
        )
    if description.skeleton is not None and description.skeleton.num_joints != spec.joints:
        raise ValueError(
            f"{at}: skeleton must name the model's {spec.joints} joints, names {description.skeleton.num_joints}"
        )
    return description


def _check_option(name: str, value: object, at: str) -> None:
    if name not in known_options():
        raise ValueError(f"{at}: options must be some of {', '.join(known_options())}, got {shown(name)}")
    if name not in MOST:  # a head's own
        if not isinstance(value, bool) and not (isinstance(value, int) and 1 < value <= _MOST_OF_HEAD):
            raise ValueError(f"{at}: {name} must be true or false, or from 2 to {_MOST_OF_HEAD}, got {shown(value)}")
        return
    sizes = value if name in _PAIRS else [value]
    if not isinstance(sizes, list) or len(sizes) != (2 if name in _PAIRS else 1):
        raise ValueError(f"{at}: {name} must be two whole numbers, got {shown(value)}")
    if not all(type(size) is int and 1 <= size <= MOST[name] for size in sizes):
        kind = "two whole numbers" if name in _PAIRS else "a whole number"
        raise ValueError(f"{at}: {name} must be {kind} from 1 to {MOST[name]}, got {shown(value)}")


def _skeleton(category: object, at: str) -> Skeleton | None:
    if category is None:
        return None
    if not isinstance(category, dict):
        raise ValueError(f"{at}: skeleton must be a COCO category, got {shown(category)}")
    skeleton, faults = read_skeleton(category)
    if skeleton is None:
        raise ValueError(f"{at}: skeleton: {'; '.join(f'{name}: {rule}' for name, rule in faults)}")
    return skeleton
