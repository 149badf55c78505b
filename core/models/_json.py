"""What providers send, read as JSON."""

from __future__ import annotations

import json
from typing import Any

import pydantic_core

__all__ = ["read_json", "read_object"]


def read_json(data: bytes) -> Any:
    """JSON, fast; also such with halves of surrogate pairs, which the fast reader refuses. Raises ValueError."""
    try:
        return pydantic_core.from_json(data)
    except ValueError:
        try:
            return json.loads(data)
        except RecursionError as exc:
            raise ValueError("nested too deeply") from exc


def read_object(data: bytes) -> dict[str, Any]:
    """A JSON object. Raises ValueError for everything else."""
    value = read_json(data)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value
