"""Keeps a history such that a provider takes it: every tool call has its return, every return its call.

A history breaks when a run is stopped in the middle, when it is trimmed, or when it was stored by something else. A
provider answers a broken one with an error, and would do so for ever; so it is mended before every request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from core.messages import (
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    RetryPromptPart,
    SystemPromptPart,
    ToolCallPart,
    ToolReturnPart,
    args_are_whole,
)

__all__ = ["CANCELLED", "cancelled", "close_calls", "interrupted", "repaired", "with_instructions"]

CANCELLED = "The tool call was cancelled before it finished."


def call_key(part: ToolCallPart | ToolReturnPart | RetryPromptPart) -> str:
    """What ties a call and its return together: the id, or the tool's name where the provider gives no ids."""
    return part.tool_call_id or part.tool_name or ""


def _calls(response: ModelResponse) -> list[ToolCallPart]:
    return [part for part in response.parts if isinstance(part, ToolCallPart)]


def _is_return(part: ModelRequestPart) -> bool:
    return isinstance(part, ToolReturnPart) or (isinstance(part, RetryPromptPart) and bool(part.tool_name))


def interrupted(response: ModelResponse) -> ModelResponse | None:
    """What of a response that was cut off may stay in the history: text, thoughts and whole calls. None: nothing."""
    parts = [
        part
        for part in response.parts
        if (args_are_whole(part) if isinstance(part, ToolCallPart) else part.has_content())
    ]
    return replace(response, parts=parts, finish_reason="interrupted") if parts else None


def close_calls(messages: list[ModelMessage], returns: Mapping[int, ModelRequestPart]) -> None:
    """Give every call of the last response its return, in place.

    returns: those there are, by position among the calls; the others say CANCELLED.
    Nothing happens if the last message is no response with calls.
    """
    if not messages or not isinstance(last := messages[-1], ModelResponse) or not (calls := _calls(last)):
        return
    messages.append(ModelRequest([returns.get(at) or cancelled(call) for at, call in enumerate(calls)]))


def cancelled(call: ToolCallPart) -> ToolReturnPart:
    """The return of a call that was never finished."""
    return ToolReturnPart(call.tool_name, CANCELLED, call.tool_call_id)


def repaired(messages: Sequence[ModelMessage]) -> list[ModelMessage]:
    """`messages` with calls and returns paired; the messages given are not changed.

    A call without a return gets one that says it was cancelled; a return without a call, a second return for the same
    call, and a message that is empty are left out.
    """
    mended: list[ModelMessage] = []
    at = 0
    while at < len(messages):
        message = messages[at]
        calls: list[ToolCallPart] = []
        if isinstance(message, ModelResponse):
            at += 1
            if not message.parts:
                continue
            mended.append(message)
            calls = _calls(message)
        requests: list[ModelRequest] = []
        while at < len(messages) and isinstance(following := messages[at], ModelRequest):
            requests.append(following)
            at += 1
        mended += _paired(calls, requests)
    return mended


def _paired(calls: list[ToolCallPart], requests: list[ModelRequest]) -> list[ModelMessage]:
    """The requests after a response with `calls`: its returns first and all of them, then everything else."""
    if not calls and not any(_is_return(part) for request in requests for part in request.parts):
        return [request for request in requests if request.parts]
    open_calls: dict[str, list[ToolCallPart]] = {}
    for call in calls:
        open_calls.setdefault(call_key(call), []).append(call)
    returns: list[ModelRequestPart] = []
    others: list[ModelMessage] = []
    for request in requests:
        rest: list[ModelRequestPart] = []
        for part in request.parts:
            if isinstance(part, RetryPromptPart) and (unknown := _unknown(part, open_calls)):
                open_calls[call_key(unknown)].remove(unknown)
                returns.append(replace(part, tool_name=unknown.tool_name, tool_call_id=unknown.tool_call_id))
            elif not isinstance(part, ToolReturnPart | RetryPromptPart) or not _is_return(part):
                rest.append(part)
            elif waiting := open_calls.get(call_key(part)):
                waiting.pop(0)
                returns.append(part)
        if rest:
            others.append(request if len(rest) == len(request.parts) else replace(request, parts=rest))
    returns += [cancelled(call) for waiting in open_calls.values() for call in waiting]
    if not returns:
        return others
    if (
        others
        and isinstance(first := others[0], ModelRequest)
        and not any(
            first is request
            for request in requests  # by identity: equal requests are not the same one
        )
    ):
        others[0] = replace(first, parts=[*returns, *first.parts])  # they came in one message, they go in one
        return others
    return [ModelRequest(returns), *others]


def _unknown(part: RetryPromptPart, open_calls: Mapping[str, list[ToolCallPart]]) -> ToolCallPart | None:
    """The call of a tool that is not there which `part` answers; only its text says so."""
    if part.tool_name or not isinstance(part.content, str):
        return None
    for call in (call for waiting in open_calls.values() for call in waiting):
        if part.content.startswith(f"Unknown tool name: {call.tool_name!r}. "):
            return call
    return None


def with_instructions(messages: list[ModelMessage], instructions: str) -> list[ModelMessage]:
    """`messages` with `instructions` said first; the messages given are not changed."""
    if not instructions:
        return messages
    said = SystemPromptPart(instructions)
    if messages and isinstance(first := messages[0], ModelRequest):
        return [replace(first, parts=[said, *first.parts]), *messages[1:]]
    return [ModelRequest([said]), *messages]
