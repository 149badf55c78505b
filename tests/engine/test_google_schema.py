"""JSON schemas as Gemini takes them."""

from enum import Enum
from typing import Any, Literal

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.models._gemini_schema import gemini_schema


def of(schema: dict[str, Any]) -> Any:
    """What becomes of the schema of one parameter."""
    whole = gemini_schema({"type": "object", "properties": {"x": schema}})
    assert whole is not None
    return whole["properties"]["x"]


@pytest.mark.parametrize(
    ("given_", "sent"),
    [
        ({"const": "a"}, {"type": "string", "enum": ["a"]}),
        ({"const": "a", "type": "string", "title": "X"}, {"type": "string", "enum": ["a"], "title": "X"}),
        ({"enum": [1, 2]}, {"type": "integer", "enum": [1, 2]}),
        ({"enum": [1, 2.5]}, {"type": "number", "enum": [1, 2.5]}),
        ({"const": True}, {"type": "boolean"}),
        ({"const": None}, {"type": "null"}),
        ({"enum": ["a", None]}, {"type": ["null", "string"]}),
        ({"enum": ["a", 1, 1.5, False]}, {"type": ["boolean", "integer", "number", "string"]}),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ({"oneOf": [{"const": "a"}], "discriminator": {}}, {"oneOf": [{"type": "string", "enum": ["a"]}]}),
        ({"allOf": [{"$ref": "#/$defs/A"}], "description": "d"}, {"$ref": "#/$defs/A", "description": "d"}),
        ({"type": "string", "format": "date-time", "default": "x"}, {"type": "string", "format": "date-time"}),
        ({"type": "integer", "exclusiveMinimum": 0, "maximum": 9}, {"type": "integer", "maximum": 9}),
        ({"type": "array", "items": {"const": "a"}}, {"type": "array", "items": {"type": "string", "enum": ["a"]}}),
        (
            {"type": "array", "prefixItems": [{"type": "string"}]},
            {"type": "array", "prefixItems": [{"type": "string"}]},
        ),
        (
            {"type": "object", "additionalProperties": {"const": "a"}},
            {"type": "object", "additionalProperties": {"type": "string", "enum": ["a"]}},
        ),
        ({"type": "object", "additionalProperties": False}, {"type": "object", "additionalProperties": False}),
        ({"examples": [1], "$schema": "x", "if": {}}, {}),
    ],
)
def test_each_keyword_becomes_one_gemini_reads(given_: dict[str, Any], sent: Any) -> None:
    """What it does not read is left out; what it reads in another form is put into that form."""
    assert of(given_) == sent


@pytest.mark.parametrize("schema", [{}, {"type": "object"}, {"type": "object", "properties": {}, "required": []}])
def test_a_function_without_parameters_has_no_schema(schema: dict[str, Any]) -> None:
    """Google refuses objects without properties, and wants the field left out."""
    assert gemini_schema(schema) is None


def test_a_parameter_may_be_called_like_a_keyword() -> None:
    """Names are not keywords: a tool may have parameters called `const`, `default` and `properties`."""
    names = {"const": {"type": "string"}, "default": {"type": "string"}, "properties": {"type": "string"}}
    assert gemini_schema({"properties": names}) == {"type": "object", "properties": names}


class Colour(Enum):
    RED = "red"


class Node(pydantic.BaseModel):
    """A tree."""

    kind: Literal["node"]
    colour: Colour = Colour.RED
    children: list["Node"] = []
    note: str | None = pydantic.Field(None, max_length=9)


def test_a_recursive_model_keeps_its_references() -> None:
    """The parameters themselves must be an object, so the reference at the top is followed, the others stay."""
    sent = gemini_schema(Node.model_json_schema())
    assert sent is not None and sent["type"] == "object" and "$ref" not in sent
    assert sent["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}
    assert sent["properties"]["kind"] == {"type": "string", "enum": ["node"], "title": "Kind"}
    assert sent["$defs"]["Node"]["properties"] == sent["properties"]
    assert sent["$defs"]["Colour"]["enum"] == ["red"]
    assert sent["properties"]["note"]["anyOf"] == [{"type": "string", "maxLength": 9}, {"type": "null"}]


@pytest.mark.parametrize("ref", ["#/$defs/Missing", "#", "elsewhere.json", "#/$defs/a~1b"])
def test_a_reference_to_nothing_is_no_accident(ref: str) -> None:
    """A schema written by hand may be wrong; the request then goes out without parameters."""
    found = gemini_schema({"$ref": ref, "$defs": {"a/b": {"properties": {"x": {"type": "string"}}}}})
    assert (found is not None) == ref.endswith("a~1b")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "enum", "anyOf", "allOf", "items", "properties", "$ref", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["properties", "anyOf", "$defs", "items", "additionalProperties"]), JSON))
def test_whatever_the_schema_nothing_raises(schema: dict[str, Any]) -> None:
    """Tools of other people come with schemas of other people."""
    gemini_schema(schema)
