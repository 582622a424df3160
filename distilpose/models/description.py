"""What a file of weights says of its model, so that the file alone, with the kept copy of own code, builds it."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from distilpose.data.foreign import shown
from distilpose.data.skeleton import Skeleton, category_of, read_skeleton
from distilpose.models.builders import build_from_spec
from distilpose.models.published import resolve_spec
from distilpose.models.spec import ModelSpec
from distilpose.parts.own import OwnPart, tuples

_MOST_TOKENS = 16_384  # every one looks at every other
_CODE = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A model by name, the options of `resolve_spec` that differ from the published ones, and what its joints are.

    `own` are the records of a user's own code, by the names that `resolve_spec` has for them. `skeleton` is None where
    the file does not say: then nobody knows the joints' names.
    """

    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    skeleton: Skeleton | None = None
    own: Mapping[str, OwnPart] = field(default_factory=dict)

    def spec(self) -> ModelSpec:
        """The model in numbers. Raises ValueError where the name or an option is no model's."""
        options: dict[str, Any] = {**self.own, **self.options}
        return resolve_spec(self.model, **options)

    def build(self, parts: Path | None = None) -> nn.Module:
        """The model, freshly initialised; `parts` is the folder of the kept copies of own code.

        Raises ValueError where the name or an option is no model's, or the copy is not there.
        """
        return build_from_spec(self.spec(), parts=parts, skeleton=self.skeleton)

    def to_metadata(self) -> dict[str, str]:
        """The description as the metadata of a safetensors file."""
        said = {"format": "pt", "model": self.model, "options": json.dumps(dict(self.options))}
        if self.own:
            said["own"] = json.dumps({name: asdict(part) for name, part in self.own.items()})
        if self.skeleton is not None:
            said["skeleton"] = json.dumps(category_of(self.skeleton))
        return said


def description_from_metadata(metadata: Mapping[str, str], file: str) -> Description | None:
    """What the metadata of a file of weights say; None where they name no model. `file` is only for messages.

    Raises:
        ValueError: what they say is malformed, is no model, or is one far larger than any.
    """
    if "model" not in metadata:
        return None
    at = f"{file}: its metadata"
    try:
        options = json.loads(metadata.get("options", "{}"))
        category = json.loads(metadata.get("skeleton", "null"))
        parts = json.loads(metadata.get("own", "{}"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{at} must hold options and skeleton as JSON") from error
    if not isinstance(options, dict):
        raise ValueError(f"{at}: options must be an object, got {shown(options)}")
    description = Description(
        model=metadata["model"],
        options={name: tuples(value) for name, value in options.items()},
        skeleton=_skeleton(category, at),
        own=_own(parts, at),
    )
    try:
        spec = description.spec()
    except (ValueError, TypeError) as error:
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


def _own(parts: object, at: str) -> dict[str, OwnPart]:
    """The records of own code, which is only ever looked for by its digest, among the copies kept here."""
    try:
        assert isinstance(parts, dict)
        own = {name: OwnPart.from_json(parts[name]) for name in ("own", "own_head") if name in parts}
        assert all(_CODE.fullmatch(part.code) and ".." not in part.name for part in own.values())
    except (AssertionError, TypeError, AttributeError) as error:
        raise ValueError(f"{at}: own must name code by its digest, got {shown(parts)}") from error
    return own


def _skeleton(category: object, at: str) -> Skeleton | None:
    if category is None:
        return None
    if not isinstance(category, dict):
        raise ValueError(f"{at}: skeleton must be a COCO category, got {shown(category)}")
    skeleton, faults = read_skeleton(category)
    if skeleton is None:
        raise ValueError(f"{at}: skeleton: {'; '.join(f'{name}: {rule}' for name, rule in faults)}")
    return skeleton
