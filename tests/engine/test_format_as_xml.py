"""Values as XML for prompts."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from core.format_as_xml import format_as_xml


@dataclass
class Person:
    name: str
    age: int | None = None


class City(BaseModel):
    name: str
    people: list[Person] = []


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("a <b> & c", "<examples>a &lt;b&gt; &amp; c</examples>"),
        (None, "<examples>null</examples>"),
        ([], "<examples />"),
        (True, "<examples>True</examples>"),
        ({"when": date(2025, 1, 2), "raw": b"bytes"}, "<examples><when>2025-01-02</when><raw>bytes</raw></examples>"),
        ({1: [2.5]}, "<examples><1><example>2.5</example></1></examples>"),
        (
            [City(name="Rome", people=[Person("Ada", 36)])],
            "<examples><City><name>Rome</name><people>"
            "<example><name>Ada</name><age>36</age></example></people></City></examples>",
        ),
        ((Person("Ada"),), "<examples><Person><name>Ada</name><age>null</age></Person></examples>"),
        (datetime(2025, 1, 2, 3, 4, tzinfo=UTC), "<examples>2025-01-02T03:04:00+00:00</examples>"),
    ],
)
def test_every_kind_of_value_has_its_form(value: Any, said: str) -> None:
    assert format_as_xml(value, indent=None) == said


def test_it_is_indented_and_its_tags_are_chosen() -> None:
    said = format_as_xml({"name": "Ada", "tags": ["a", "b"]}, root_tag="user", item_tag="tag")
    assert said == "<user>\n  <name>Ada</name>\n  <tags>\n    <tag>a</tag>\n    <tag>b</tag>\n  </tags>\n</user>"


def test_without_its_root_a_list_stands_by_itself() -> None:
    """A single value would be no XML, and keeps it."""
    assert format_as_xml([1, 2], include_root_tag=False) == "<example>1</example>\n<example>2</example>"
    assert format_as_xml(1, include_root_tag=False, root_tag="n") == "<n>1</n>"
    assert format_as_xml(None, none_str="nil") == "<examples>nil</examples>"


@pytest.mark.parametrize("value", [object(), {(1, 2): 3}, [object()]])
def test_what_has_no_place_in_xml_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="Unsupported"):
        format_as_xml(value)


texts = st.text(st.characters(min_codepoint=32, max_codepoint=0xD7FF))


@given(st.recursive(texts, lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from("abc"), inner)))
def test_whatever_is_said_can_be_read_as_xml(value: Any) -> None:
    """No text breaks out of its tag."""

    def read(element: ElementTree.Element, value: Any) -> None:
        if isinstance(value, str):
            assert (element.text or "") == value and len(element) == 0
            return
        items = list(value.items()) if isinstance(value, dict) else [("example", item) for item in value]
        assert [child.tag for child in element] == [tag for tag, _ in items]
        for child, (_, item) in zip(element, items, strict=True):
            read(child, item)

    read(ElementTree.fromstring(format_as_xml(value, indent=None)), value)
