"""What a refusal means, and whether to try again: decided without waiting."""

import copy
import pickle
import time
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.models import errors
from core.models._failures import error_of, parsed, retry_after, retry_delay
from core.models._transport import proxy_for


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (402, {}, errors.ModelQuotaExceeded),
        (429, {"error": "slow down"}, errors.ModelRateLimited),
        (404, {"error": "model 'x' not found, try pulling it first"}, errors.ModelNotFound),
        (400, [{"error": {"message": "exceeds the maximum number of tokens"}}], errors.ModelContextTooLong),
        (400, {"message": "this model's maximum context length is 8"}, errors.ModelContextTooLong),
        (400, {"error": {"innererror": {"code": "ResponsibleAIPolicyViolation"}}}, errors.ModelContentFiltered),
        (413, {}, errors.ModelBadRequest),
        (502, "<html>bad gateway", errors.ModelHTTPError),
        (200, {"error": {"type": "overloaded_error"}}, errors.ModelOverloaded),
        (200, {"error": {"code": 429, "message": "x"}}, errors.ModelRateLimited),
        (200, {"error": {"code": "401"}}, errors.ModelAuthError),
        (200, {"error": "something"}, errors.ModelHTTPError),
        (200, {"error": 7}, errors.ModelHTTPError),
        (429, {"error": {"message": "Request too large for gpt-4o", "type": "tokens"}}, errors.ModelContextTooLong),
        (403, {"error": {"code": "unsupported_country_region_territory"}}, errors.ModelAuthError),
        (403, {"error": {"code": 403, "message": "Your input was flagged"}}, errors.ModelContentFiltered),
        (
            400,
            {"error": {"code": "invalid_prompt", "message": "violates our usage policy"}},
            errors.ModelContentFiltered,
        ),
        (503, {"error": {"message": "Slow down"}}, errors.ModelOverloaded),
        (200, {"error": {"code": "server_is_overloaded"}}, errors.ModelOverloaded),
        (200, {"code": "failed_to_download_image", "message": "x"}, errors.ModelBadRequest),
        (200, {"code": "image_too_large", "message": "x"}, errors.ModelBadRequest),
        (200, {"code": "misalignment_policy_violation", "message": "x"}, errors.ModelContentFiltered),
        (200, {"code": "vector_store_timeout", "message": "x"}, errors.ModelHTTPError),
        (500, {"object": "error", "message": "x", "type": "BadRequestError", "code": 400}, errors.ModelBadRequest),
        (500, {"error": {"message": "x", "type": "invalid_request_error"}}, errors.ModelBadRequest),
        (500, {"error": {"message": "exceeds the available context size"}}, errors.ModelContextTooLong),
        (422, {"detail": [{"msg": "extra fields not permitted"}]}, errors.ModelBadRequest),
        (500, {"error": {"message": "x", "code": "429"}}, errors.ModelRateLimited),
        (500, {"error": {"message": "x", "type": "server_error"}}, errors.ModelHTTPError),
    ],
)
def test_bodies_of_many_servers_are_understood(status: int, body: object, expected: type[Exception]) -> None:
    """OpenAI, Azure, Gemini's and Ollama's compatible endpoints, routers: each nests its error differently."""
    assert type(error_of(status, "m", body)) is expected


def test_of_a_web_page_only_the_words_are_kept() -> None:
    """A person reads the error of a proxy, not its stylesheet."""
    page = b"<html><style>p { color: red }</style><h1>502 Bad Gateway</h1>" + b"<hr>" * 4000
    assert parsed(page) == "502 Bad Gateway"
    assert parsed(b"upstream connect error") == "upstream connect error"


@given(st.binary(max_size=200), st.sampled_from([200, 400, 429, 500]))
def test_any_body_gives_an_error(body: bytes, status: int) -> None:
    """Never an exception of the reader's own."""
    assert isinstance(error_of(status, "m", parsed(body)), errors.ModelHTTPError)


json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["error", "code", "type"]), inner),
)


@given(json_values)
def test_any_json_gives_an_error(body: Any) -> None:
    assert isinstance(error_of(200, "m", body), errors.ModelHTTPError)


def test_retry_after_is_read_in_all_its_forms() -> None:
    """Seconds, milliseconds, a date; nonsense is as good as nothing."""
    assert retry_after({"retry-after": "1.5"}) == 1.5
    assert retry_after({"retry-after-ms": "250", "retry-after": "9"}) == 0.25
    assert retry_after({"retry-after": "-3"}) == 0
    date = retry_after({"retry-after": formatdate(time.time() + 30, usegmt=True)})
    assert date is not None and 25 < date <= 30
    for nonsense in ("soon", "", "nan", "inf"):
        assert retry_after({"retry-after": nonsense}) is None
    assert retry_after({}) is None


def test_waiting_grows_and_is_never_the_same() -> None:
    """Replicas that failed together must not come back together."""
    error = errors.ModelOverloaded(529, "m")
    assert [retry_delay(error, n, 9, jitter=lambda: 0.5) for n in (1, 2, 3, 9)] == [0.5, 1, 2, 8]
    assert retry_delay(error, 1, 2, jitter=lambda: 0.0) != retry_delay(error, 1, 2, jitter=lambda: 1.0)
    assert retry_delay(error, 3, 2) is None
    assert retry_delay(error, 1, 2, 20) == 20 and retry_delay(error, 1, 2, 20.1) is None


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (errors.ModelConnectionError("x"), True),
        (errors.ModelTimeout("connect", 1), True),
        (errors.ModelTimeout("first event", 1), False),
        (errors.ModelQuotaExceeded(429, "m"), False),
        (errors.ModelAuthError(401, "m"), False),
        (errors.ModelHTTPError(500, "m"), True),
        (errors.ModelBadRequest(500, "m"), False),
        (errors.ModelContextTooLong(429, "m"), False),
        (errors.ModelStreamBroken("x"), False),
        (ValueError(), False),
    ],
)
def test_only_what_may_pass_is_tried_again(error: Exception, again: bool) -> None:
    assert (retry_delay(error, 1, 2) is not None) == again


def test_proxies_are_never_used_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A local model must not be asked through a company's proxy."""
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "inside.example")
    for local in ("http://localhost:1/v1", "http://127.0.0.1:1/v1", "http://[::1]:1/v1", "http://inside.example/"):
        assert proxy_for(local) is None
    assert proxy_for("http://api.example/v1") == "http://proxy.example:3128"
    assert proxy_for("https://api.example/v1") is None


@pytest.mark.parametrize(
    "error",
    [
        errors.ModelHTTPError(500, "gpt", {"error": "x"}),
        errors.ModelRateLimited(429, "gpt", None, 2.5),
        errors.ModelTimeout("idle", 3.0, "gpt"),
        errors.UnexpectedModelBehavior("odd", '{"a": 1}'),
        errors.RunTimeout(3.0),
        errors.UsageLimitExceeded("too much"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_can_be_copied_and_pickled(error: errors.AgentRunError) -> None:
    """They cross processes, as those of a worker do."""
    for again in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error), copy.copy(error)):
        assert type(again) is type(error) and str(again) == str(error) and vars(again) == vars(error)
