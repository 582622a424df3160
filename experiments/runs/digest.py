"""One JSON text for equal values, and its digest, from which ids are made."""

import hashlib
import json
from typing import Any

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical(value: Any) -> str:
    """The one JSON text of a value: keys sorted, no spaces, -0.0 as 0.0. Raises ValueError for NaN and infinity."""
    text = _ENCODER.encode(value)
    return text if "-0.0" not in text else _ENCODER.encode(_without_negative_zero(value))


def _without_negative_zero(value: Any) -> Any:
    if isinstance(value, float):
        return value + 0.0
    if isinstance(value, dict):
        return {key: _without_negative_zero(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_negative_zero(item) for item in value]
    return value


def digest(value: Any) -> str:
    """Twelve hexadecimal digits of a value's SHA-256."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:12]
