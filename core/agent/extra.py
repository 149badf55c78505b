"""What a run gives beside its answer: references, media, reasoning, the messages it began with.

A tool or an instructions function that looked something up says so with `ctx.add_references(query, documents)`; a tool
that made a picture with `ctx.add_images(...)`. The run's `RunResponse` then has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import pydantic_core

from core.messages import ModelMessage, ModelMessagesTypeAdapter

__all__ = ["Findings", "MessageContext", "MessageReferences", "ReasoningStep", "RunResponseExtraData"]

Document = Mapping[str, Any] | str


@dataclass
class MessageReferences:
    """What was found for one query. `references`: documents, as dicts or text.   `time`: seconds the search took."""

    query: str
    references: list[Document] | None = None
    time: float | None = None


@dataclass
class MessageContext:
    """The same under its older name: `RunResponse.context`. `docs`: documents.   `time`: seconds."""

    query: str
    docs: list[dict[str, Any]] | None = None
    time: float | None = None


@dataclass
class ReasoningStep:
    """One thought of the model, as it said it. The other fields are for engines that give more."""

    reasoning: str
    title: str | None = None
    action: str | None = None
    result: str | None = None


@dataclass
class RunResponseExtraData:
    """What `RunResponse.extra_data` holds; everything that there is none of is None.

    references: of `ctx.add_references`.   add_messages: what came with `messages=`.   history: the `message_history`.
    reasoning_steps: the model's thoughts.   reasoning_messages: the responses they stand in.
    """

    references: list[MessageReferences] | None = None
    add_messages: list[ModelMessage] | None = None
    history: list[ModelMessage] | None = None
    reasoning_steps: list[ReasoningStep] | None = None
    reasoning_messages: list[ModelMessage] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Everything that is set, as JSON-able values."""
        said: dict[str, Any] = {}
        for each in fields(self):
            if (value := getattr(self, each.name)) is None:
                continue
            if each.name in ("add_messages", "history", "reasoning_messages"):
                said[each.name] = ModelMessagesTypeAdapter.dump_python(value, mode="json")
            else:
                said[each.name] = [_without_none(item) for item in value]
        return said


def _without_none(item: Any) -> Any:
    plain = pydantic_core.to_jsonable_python(item, fallback=repr, bytes_mode="base64")
    return {key: value for key, value in plain.items() if value is not None} if isinstance(plain, dict) else plain


@dataclass
class Findings:
    """What the tools of one run have handed over so far."""

    references: list[MessageReferences] = field(default_factory=list)
    images: list[Any] = field(default_factory=list)
    videos: list[Any] = field(default_factory=list)
    audio: list[Any] = field(default_factory=list)
    _extra_data: RunResponseExtraData | None = None
    _context: list[MessageContext] | None = None

    def add_references(self, query: str, references: Sequence[Document], seconds: float | None) -> None:
        """Note what was found; the same thing found again for the same query is noted once."""
        found = [*references]
        if not any(known.query == query and known.references == found for known in self.references):
            self.references.append(MessageReferences(query, found, seconds))
            self._extra_data = self._context = None

    def extra_data(self) -> RunResponseExtraData | None:
        if self.references and self._extra_data is None:  # asked for with every delta
            self._extra_data = RunResponseExtraData(references=[*self.references])
        return self._extra_data

    def context(self) -> list[MessageContext] | None:
        """The references as the older document has them; text stands under "content"."""
        if self.references and self._context is None:
            self._context = [
                MessageContext(known.query, [_as_dict(document) for document in known.references or ()], known.time)
                for known in self.references
            ]
        return self._context


def _as_dict(document: Document) -> dict[str, Any]:
    return {"content": document} if isinstance(document, str) else dict(document)
