"""From the many ways to say something to a run to a prompt and the history before it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import pydantic
import pydantic_core
from typing_extensions import TypedDict

from core.agent.media import contents_of
from core.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    UserContent,
    UserPromptPart,
)
from core.models.errors import UserError

__all__ = ["RunInputs", "said"]


class RunInputs(TypedDict, total=False):
    """What else `Agent.run` and `run_sync` take, under Agno's names."""

    message: Any
    """The prompt; also an object, which the model reads as JSON."""
    messages: Sequence[ModelMessage | Mapping[str, Any]]
    """What is said after the prompt: our messages, or dicts of `role` and `content`. The run answers the last one."""
    images: Sequence[Any]
    """Addresses, paths, bytes, `Image`s; likewise the others."""
    audio: Sequence[Any]
    videos: Sequence[Any]
    files: Sequence[Any]
    retries: int
    """How often a provider that failed is asked again, in place of the agent's `model_retries`."""
    session_id: str
    """Noted in the responses of this run, in place of the agent's; likewise `user_id`."""
    user_id: str


def said(prompt: Any, inputs: RunInputs) -> tuple[str | Sequence[UserContent], list[ModelMessage]]:
    """The prompt of the run, and the messages that stand between its history and that prompt.

    Raises UserError when there is nothing to answer.
    """
    if prompt is None:
        prompt = inputs.get("message")
    elif inputs.get("message") is not None:
        raise UserError("Give the prompt once: as the first argument, or as `message`")
    before: list[ModelMessage] = []
    if added := list(inputs.get("messages") or ()):
        if prompt is not None:
            before.append(_user(prompt))
        before += [_message(message) for message in added]
        last = before.pop()
        part = last.parts[-1] if isinstance(last, ModelRequest) and len(last.parts) == 1 else None
        if not isinstance(part, UserPromptPart):
            raise UserError("The last of `messages` must be one by the user: it is what the run answers")
        prompt = part.content
    media = [
        *contents_of(inputs.get("images"), "image"),
        *contents_of(inputs.get("audio"), "audio"),
        *contents_of(inputs.get("videos"), "video"),
        *contents_of(inputs.get("files"), "document"),
    ]
    if prompt is None and not media:
        raise UserError("There is nothing to answer: give a prompt, `message`, `messages` or media")
    content = _content(prompt) if prompt is not None else []
    if media:
        content = [*([content] if isinstance(content, str) else content), *media]
    return content, before


def _content(value: Any) -> str | Sequence[UserContent]:
    """Text and media as they are; a `role`/`content` dict is its content; any other object is JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and "content" in value and "role" in value:
        return _content(value["content"])
    if isinstance(value, Sequence) and all(isinstance(item, get_args(UserContent)) for item in value):
        return value
    if isinstance(value, pydantic.BaseModel):
        return value.model_dump_json(exclude_none=True)
    return json.dumps(pydantic_core.to_jsonable_python(value), ensure_ascii=False)


def _user(value: Any) -> ModelRequest:
    return ModelRequest([UserPromptPart(_content(value))])


def _message(message: ModelMessage | Mapping[str, Any]) -> ModelMessage:
    if isinstance(message, ModelRequest | ModelResponse):
        return message
    if not isinstance(message, Mapping) or "role" not in message:
        raise UserError(f"A message is one of ours or a dict of `role` and `content`, not {message!r}")
    content = message.get("content")
    match message["role"]:
        case "user":
            return _user(content)
        case "assistant" | "model":
            return ModelResponse([TextPart(str(content))])
        case "system" | "developer":
            return ModelRequest([SystemPromptPart(str(content))])
        case role:
            raise UserError(f"A message cannot be from {role!r}: user, assistant or system")
