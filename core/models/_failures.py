"""From what a provider answers when it refuses to an error of ours, and whether to try again.

Source: "Error codes" of the OpenAI API guides; ResponseError.code of the Responses API (openai-python 3.52); the error
pages of Anthropic, Google, Azure OpenAI, Groq, Mistral, DeepSeek and OpenRouter, where they go other ways.
"""

from __future__ import annotations

import json
import math
import random
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from core.models.errors import (
    ModelAuthError,
    ModelBadRequest,
    ModelConnectionError,
    ModelContentFiltered,
    ModelContextTooLong,
    ModelHTTPError,
    ModelNotFound,
    ModelOverloaded,
    ModelQuotaExceeded,
    ModelRateLimited,
    ModelTimeout,
)

__all__ = ["MAX_RETRY_AFTER_S", "error_of", "parsed", "retry_after", "retry_delay"]

MAX_RETRY_AFTER_S = 20.0
_RETRIED = {408, 409, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529}
_BODY_LIMIT = 4000
_PAGE_LIMIT = 300
_TOO_LONG = re.compile(
    r"context[ _]length|context window|maximum context|prompt is too long|too many (input )?tokens"
    r"|exceeds? the (maximum|available) (number of tokens|context)|input is too long|exceed context limit"
    r"|^request too large",  # more tokens than the account may send in a minute: waiting does not help
    re.IGNORECASE,
)
# Anthropic says with 400 and invalid_request_error that the money, or a limit set for it, is used up
_NO_MONEY = re.compile(r"credit balance is too low|reached your specified (workspace )?API usage limits", re.IGNORECASE)
_QUOTA = {
    "billing_error",
    "billing_hard_limit_reached",
    "billing_not_active",
    "insufficient_balance",
    "insufficient_quota",
    "quota_exceeded",
}
_LONG = {"context_length_exceeded", "exceed_context_size_error", "request_too_large"}
_FILTERED = {"content_filter", "content_policy_violation", "responsibleaipolicyviolation"}
_FLAGGED = re.compile(r"\bwas flagged\b|\bflagged as\b|usage polic", re.IGNORECASE)
# words of the codes OpenAI documents for failed responses: bio_policy, image_content_policy_violation, invalid_prompt,
# image_too_large, failed_to_download_image, unsupported_image_media_type, data_residency_mismatch ...
_POLICY = re.compile(r"_policy(_|$)")
_OURS = re.compile(
    r"^(invalid|unsupported|unknown|missing|empty|image|string|array)_|badrequest|mismatch$|image(_not_found)?$"
)
_STATUS_OF = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "overloaded_error": 529,
    "server_error": 500,
    "api_error": 500,
    "internal_error": 500,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "model_not_found": 404,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "timeout_error": 504,
    "invalid_request_error": 400,
    "account_deactivated": 401,
    "invalid_organization": 401,
    "unsupported_country_region_territory": 403,
    "rate_limited": 429,
    "slow_down": 503,
    "server_is_overloaded": 503,
    "service_unavailable": 503,
    "engine_overloaded": 503,
    "overloaded": 503,
    "vector_store_timeout": 504,
}
_FINAL = (ModelAuthError, ModelBadRequest, ModelContentFiltered, ModelContextTooLong, ModelNotFound, ModelQuotaExceeded)


def parsed(body: bytes) -> object:
    """The body of an error: JSON where it is, else its text, cut where it is long; of a web page only the words."""
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        text = body[: 4 * _BODY_LIMIT].decode("utf-8", "replace")
        if text.lstrip()[:1] == "<":
            text = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>|<[^>]*$", " ", text, flags=re.IGNORECASE | re.DOTALL)
            text = " ".join(text.split())[:_PAGE_LIMIT]
        return text[:_BODY_LIMIT]
    return value


def _fields(body: object) -> tuple[str, set[str], int | None]:
    """Message, code words and status of an error body; servers nest them differently."""
    if isinstance(body, list) and body:
        body = body[0]
    if isinstance(body, str):
        return body, set(), None
    error: Any = (body.get("error") or body) if isinstance(body, dict) else {}
    if isinstance(error, str):
        return error, set(), None
    if not isinstance(error, dict):
        return "", set(), None
    words = [error.get("code"), error.get("type"), error.get("status")]
    inner = error.get("innererror")
    if isinstance(inner, dict):
        words.append(inner.get("code"))
    numbers = [word for word in words if isinstance(word, int) and 400 <= word < 600]
    codes = {word.lower() for word in words if isinstance(word, str)}
    numbers += [int(word) for word in codes if word.isdigit() and 400 <= int(word) < 600]
    return str(error.get("message") or error.get("detail") or ""), codes, numbers[0] if numbers else None


def _status_of(status: int, codes: set[str], said: int | None) -> int:
    """The status that an answer with `status` means.

    200 is an error inside a stream. A proxy's 500 may wrap a refusal, and some servers say 500 for a bad request.
    """
    by_code = next((_STATUS_OF[code] for code in sorted(codes) if code in _STATUS_OF), None)
    if by_code is None and any(_OURS.search(code) for code in codes):
        by_code = 400
    if status < 400:
        return said or by_code or 500
    if status == 500:
        return next((each for each in (said, by_code) if each is not None and each < 500), status)
    return status


def error_of(status: int, model_name: str, body: object, headers: Mapping[str, str] | None = None) -> ModelHTTPError:
    """The error for an answer with `status`; 200 means an error inside a stream, whose status is in `body` at best."""
    message, codes, said = _fields(body)
    meant = _status_of(status, codes, said)
    if status < 400:
        status = meant
    if codes & _QUOTA or meant == 402 or (meant == 400 and _NO_MONEY.search(message)):
        return ModelQuotaExceeded(status, model_name, body)
    if codes & _FILTERED or any(_POLICY.search(code) for code in codes):
        return ModelContentFiltered(status, model_name, body)
    if meant in (400, 403) and _FLAGGED.search(message):
        return ModelContentFiltered(status, model_name, body)
    if codes & _LONG or (meant in (400, 413, 422, 429, 500) and _TOO_LONG.search(message)):
        return ModelContextTooLong(status, model_name, body)
    match meant:
        case 401 | 403:
            return ModelAuthError(status, model_name, body)
        case 404:
            return ModelNotFound(status, model_name, body)
        case 429:
            return ModelRateLimited(status, model_name, body, retry_after(headers or {}, body))
        case 503 | 529:
            return ModelOverloaded(status, model_name, body)
        case 400 | 413 | 422:
            return ModelBadRequest(status, model_name, body)
        case _:
            return ModelHTTPError(status, model_name, body)


def retry_after(headers: Mapping[str, str], body: object = None) -> float | None:
    """Seconds the provider asks us to wait, None if it does not say.

    Source: RFC 9110 section 10.2.3 (seconds or a date); `retry-after-ms` is OpenAI's, in milliseconds; Google says it
    in the body of the error (google.rpc.RetryInfo, AIP-193).
    """
    try:
        if (milliseconds := headers.get("retry-after-ms")) is not None:
            return _seconds(float(milliseconds) / 1000)
        if (value := headers.get("retry-after")) is None:
            return _retry_info(body)
        return _seconds(float(value))
    except ValueError:
        pass
    import email.utils  # brings much with it, for a date that hardly ever comes

    try:
        return max(0.0, email.utils.parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time())
    except (KeyError, ValueError, TypeError):
        return None


def _retry_info(body: object) -> float | None:
    """The `retryDelay` ("3.5s") among the details of a Google error. Raises ValueError."""
    if isinstance(body, list) and body:
        body = body[0]
    error = body.get("error") if isinstance(body, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and isinstance(delay := detail.get("retryDelay"), str):
            return _seconds(float(delay.removesuffix("s")))
    return None


def _seconds(value: float) -> float | None:
    return max(0.0, value) if math.isfinite(value) else None


def retry_delay(
    exc: Exception,
    attempt: int,
    retries: int,
    asked: float | None = None,
    jitter: Callable[[], float] = random.random,
) -> float | None:
    """Seconds to wait before trying again after `exc`, None if trying again is no use.

    attempt: how many have failed, from 1.   asked: what the provider's Retry-After says, honoured up to
    MAX_RETRY_AFTER_S; more than that is left to the caller.
    """
    if attempt > retries:
        return None
    if isinstance(exc, ModelTimeout):
        passes = exc.phase == "connect"
    elif isinstance(exc, ModelHTTPError):
        passes = exc.status_code in _RETRIED and not isinstance(exc, _FINAL)
    else:
        passes = isinstance(exc, ModelConnectionError)
    if not passes:
        return None
    if asked is not None:
        return asked if asked <= MAX_RETRY_AFTER_S else None
    backoff = min(8.0, 0.5 * 2 ** (attempt - 1))
    return float(backoff * (0.75 + 0.5 * jitter()))
