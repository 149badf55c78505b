"""Values as XML: models read examples and records in prompts better so than as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from pydantic import BaseModel

__all__ = ["format_as_xml"]


class _Element(NamedTuple):
    tag: str
    body: str | list[_Element]


def format_as_xml(
    obj: Any,
    root_tag: str = "examples",
    item_tag: str = "example",
    include_root_tag: bool = True,
    none_str: str = "null",
    indent: str | None = "  ",
) -> str:
    """`obj` as XML: text, bytes, numbers, dates, mappings, iterables, dataclasses and pydantic models, nested at will.

    item_tag: the tag of what an iterable holds; a dataclass or a model in it has the name of its class.
    include_root_tag: without it what is in the root stands by itself; a single value has its root all the same.
    none_str: what None is.   indent: None puts everything on one line.
    Raises TypeError for what has no place in XML, and for keys that are neither text nor whole numbers.
    """
    root = _element(root_tag, obj, item_tag, none_str)
    top = root.body if not include_root_tag and isinstance(root.body, list) else [root]
    lines = [line for element in top for line in _lines(element, indent or "", 0)]
    return ("" if indent is None else "\n").join(lines)


def _element(tag: str, value: Any, item_tag: str, none_str: str) -> _Element:
    match value:
        case None:
            return _Element(tag, none_str)
        case str():
            return _Element(tag, value)
        case bytes() | bytearray():
            return _Element(tag, value.decode(errors="ignore"))
        case bool() | int() | float():
            return _Element(tag, str(value))
        case date():
            return _Element(tag, value.isoformat())
        case Mapping():
            fields = value
        case BaseModel():
            fields = value.model_dump(mode="python")
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = dataclasses.asdict(value)
        case Iterable():
            items = [_element(_tag_of(item, item_tag), item, item_tag, none_str) for item in value]
            return _Element(tag, items)
        case _:
            raise TypeError(f"Unsupported type for XML formatting: {type(value)}")
    return _Element(tag, [_element(_key(key), item, item_tag, none_str) for key, item in fields.items()])


def _tag_of(item: Any, item_tag: str) -> str:
    named = isinstance(item, BaseModel) or (dataclasses.is_dataclass(item) and not isinstance(item, type))
    return type(item).__name__ if named else item_tag


def _key(key: Any) -> str:
    if not isinstance(key, str | int):
        raise TypeError(f"Unsupported key type for XML formatting: {type(key)}, only str and int are allowed")
    return str(key)


def _lines(element: _Element, indent: str, depth: int) -> Iterator[str]:
    tag, body = element
    space = indent * depth
    if not body:
        yield f"{space}<{tag} />"
    elif isinstance(body, str):
        yield f"{space}<{tag}>{escape(body)}</{tag}>"
    else:
        yield f"{space}<{tag}>"
        for child in body:
            yield from _lines(child, indent, depth + 1)
        yield f"{space}</{tag}>"
