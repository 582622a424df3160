"""What a file of weights says of its model, so that the file alone is enough to build it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from distilpose.data.skeleton import Skeleton, category_of, skeleton_from_category
from distilpose.models.builders import build_model
from distilpose.models.specs import known_options


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A model by name, the options of `build_model` that differ from the published ones, and what its joints are.

    `skeleton` is None where the file does not say: then nobody knows the joints' names.
    """

    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    skeleton: Skeleton | None = None

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
        ValueError: what they say is malformed.
    """
    if "model" not in metadata:
        return None
    try:
        options = json.loads(metadata.get("options", "{}"))
        category = json.loads(metadata.get("skeleton", "null"))
    except ValueError as error:
        raise ValueError(f"{file}: its metadata must hold options and skeleton as JSON: {error}") from error
    if not isinstance(options, dict) or any(
        name not in known_options() or not _is_size(v) for name, v in options.items()
    ):
        raise ValueError(
            f"{file}: its metadata's options must be numbers for {', '.join(known_options())}, got {options!r}"
        )
    if category is not None and not isinstance(category, dict):
        raise ValueError(f"{file}: its metadata's skeleton must be a COCO category, got a {type(category).__name__}")
    return Description(
        model=metadata["model"],
        options={name: tuple(value) if isinstance(value, list) else value for name, value in options.items()},
        skeleton=None if category is None else skeleton_from_category(category, file),
    )


def _is_size(value: object) -> bool:
    if isinstance(value, list):
        return len(value) == 2 and all(type(number) is int for number in value)
    return isinstance(value, int)
