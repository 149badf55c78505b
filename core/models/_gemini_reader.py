"""Google's Generative Language API on the wire, inwards: its responses and errors. Nothing here waits.

Source: Gemini API reference, "GenerateContentResponse" (of which a stream sends any number, each with the totals so
far), "FinishReason" and "BlockReason", the guide "Troubleshooting", and AIP-193 for errors; docs of 2026-11.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from core.messages import ModelResponseStreamEvent
from core.models._failures import error_of
from core.models._gemini_wire import OWN_ID
from core.models._parts import ResponseParts
from core.models.errors import (
    ModelAuthError,
    ModelContentFiltered,
    ModelHTTPError,
    ModelQuotaExceeded,
    UnexpectedModelBehavior,
)
from core.models.usage import Usage

__all__ = ["GeminiReader", "SpoiledAnswer", "gemini_error"]

_FILTERED = {
    "BLOCKLIST",
    "ESCALATION",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "IMAGE_SAFETY",
    "LANGUAGE",
    "MODEL_ARMOR",
    "PROHIBITED_CONTENT",
    "RECITATION",
    "SAFETY",
    "SPII",
}
"""Finish reasons of an answer Google holds back."""

_SPOILED = {"MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE"}
_UNUSABLE = {*_SPOILED, "MISSING_THOUGHT_SIGNATURE", "TOO_MANY_TOOL_CALLS", "UNEXPECTED_TOOL_CALL"}
"""Finish reasons of an answer nothing can be done with."""

_FINISH = {"STOP": "stop", "MAX_TOKENS": "length"}
_BAD_KEY = re.compile(r"api key (not valid|not found|expired)|api_key_(invalid|expired)", re.IGNORECASE)
# a limit for the minute passes by waiting; one for the day, the month or the money does not
_NO_MORE = re.compile(r"per_?day|per_?month|limit: 0\b|spending cap|credits? (are|is) depleted", re.IGNORECASE)


class SpoiledAnswer(UnexpectedModelBehavior):
    """The model wrote something Google could not read as a call; asked again it mostly does better."""


def gemini_error(
    status: int, model_name: str, body: object, headers: Mapping[str, str] | None = None
) -> ModelHTTPError:
    """The error for an answer with `status`; 200 means an error inside a stream, whose status is in `body`.

    An unknown key comes as INVALID_ARGUMENT, and RESOURCE_EXHAUSTED stands for any limit; their messages and details
    tell what it is.
    """
    error = _error_in(body)
    code = error.get("code")
    if status < 400:
        status = code if isinstance(code, int) and 400 <= code < 600 else 500
    said = " ".join(_texts(error))
    if status in (400, 401, 403) and _BAD_KEY.search(said):
        return ModelAuthError(status, model_name, body)
    if status == 429 and _NO_MORE.search(said):
        return ModelQuotaExceeded(status, model_name, body)
    return error_of(status, model_name, body, headers)


def _error_in(body: object) -> Mapping[str, Any]:
    """The `error` object of a body, which may be a list of one; empty if there is none."""
    if isinstance(body, list) and body:
        body = body[0]
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}


def _texts(error: Mapping[str, Any]) -> Iterator[str]:
    """What an error says in words: its message, the reasons in its details, and the names of the quotas violated."""
    yield str(error.get("message") or "")
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        if not isinstance(detail, dict):
            continue
        yield str(detail.get("reason") or "")
        violations = detail.get("violations")
        for violation in violations if isinstance(violations, list) else ():
            if isinstance(violation, dict):
                yield f"{violation.get('quotaId') or ''} {violation.get('quotaMetric') or ''}"


class GeminiReader:
    """Reads the responses of one answer, each a whole GenerateContentResponse, into parts.

    `finish_reason` is Google's word; `blocked` what it says about a question it does not answer; `delivered` is True
    from the first response that holds anything of the answer.
    """

    def __init__(self, parts: ResponseParts, model_name: str) -> None:
        self._parts = parts
        self.model = model_name
        self.finish_reason: str | None = None
        self.finish_message = ""
        self.blocked: dict[str, Any] | None = None
        self.delivered = False
        self._counts: dict[str, int] = {}
        self._half = ""

    @property
    def word(self) -> str | None:
        """The finish reason in the words all providers share, where there is one."""
        return _FINISH.get(self.finish_reason or "", (self.finish_reason or "").lower()) or None

    def usage(self) -> Usage:
        """The tokens so far; every response gives the totals of the answer, so the last ones count."""
        counts = self._counts
        if not counts:
            return Usage()
        asked = counts.get("promptTokenCount", 0) + counts.get("toolUsePromptTokenCount", 0)
        thought = counts.get("thoughtsTokenCount", 0)
        said = counts.get("candidatesTokenCount", 0) + thought
        details = {"cached_tokens": counts.get("cachedContentTokenCount", 0), "reasoning_tokens": thought}
        return Usage(
            request_tokens=asked,
            response_tokens=said,
            total_tokens=counts.get("totalTokenCount", asked + said),
            details={key: count for key, count in details.items() if count} or None,
        )

    def read(self, response: Mapping[str, Any]) -> Iterator[ModelResponseStreamEvent]:
        """The events of one response; what is missing or null in it is taken as empty."""
        counts = (response.get("usageMetadata") or {}).items()
        self._counts |= {key: count for key, count in counts if isinstance(count, int)}
        self.model = response.get("modelVersion") or self.model
        feedback = response.get("promptFeedback") or {}
        if feedback.get("blockReason"):
            self.blocked = feedback
        candidates = response.get("candidates")
        if not candidates:
            return
        candidate = candidates[0]
        for part in (candidate.get("content") or {}).get("parts") or ():
            if (event := self._part(part)) is not None:
                self.delivered = True
                yield event
        if reason := candidate.get("finishReason"):
            self.finish_reason = str(reason)
            self.finish_message = str(candidate.get("finishMessage") or "")

    def check(self) -> None:
        """Raise ModelContentFiltered for an answer Google holds back, UnexpectedModelBehavior for one of no use."""
        if self.blocked is not None and not self.delivered:
            raise ModelContentFiltered(200, self.model, {"promptFeedback": self.blocked})
        said = {"finishReason": self.finish_reason, "finishMessage": self.finish_message}
        if self.finish_reason in _FILTERED:
            raise ModelContentFiltered(200, self.model, said)
        if self.finish_reason in _UNUSABLE:
            kind = SpoiledAnswer if self.finish_reason in _SPOILED else UnexpectedModelBehavior
            raise kind(f"Gemini gave up its answer: {self.finish_reason}", self.finish_message or None)

    def _part(self, part: Mapping[str, Any]) -> ModelResponseStreamEvent | None:
        """One part; kinds that come only from tools of Google's own are passed over."""
        signature = part.get("thoughtSignature") or None
        if (call := part.get("functionCall")) is not None:
            return self._call(call, signature)
        text = part.get("text")
        if part.get("thought"):
            return self._parts.thinking(text, signature) if text or signature else None
        whole = self._whole(text) if text else ""
        said = self._parts.text(whole) if whole else None
        if signature:
            self._parts.sign(signature)
        return said

    def _call(self, call: Mapping[str, Any], signature: str | None) -> ModelResponseStreamEvent | None:
        """A call, which Gemini sends in one piece."""
        args = call.get("args")
        if args is not None and not isinstance(args, dict):
            raise TypeError("the arguments of a call are no object")
        return self._parts.call(
            object(),
            name=call["name"],
            args=args or {},
            call_id=call.get("id") or f"{OWN_ID}{uuid.uuid4().hex}",
            signature=signature,
        )

    def _whole(self, text: str) -> str:
        """Text, with a pair that was cut in two halves put together again."""
        if not self._half and text.isascii():
            return text
        text = self._half + text
        self._half = ""
        if "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
