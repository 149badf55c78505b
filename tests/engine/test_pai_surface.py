"""Names, texts and values that people's code and stored data rely on.

Source: the public surface of pydantic-ai v0.0.40.
"""

import importlib
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest

import core
from core import ModelHTTPError, Tool, UnexpectedModelBehavior, Usage, UsageLimitExceeded, UsageLimits, UserError
from core.agent import AgentRun, AgentStream
from core.messages import (
    AudioUrl,
    BinaryContent,
    DocumentUrl,
    ImageUrl,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    RetryPromptPart,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from core.models import KnownModelName

NAMES = {
    "core": "Agent EndStrategy CallToolsNode ModelRequestNode UserPromptNode capture_run_messages AgentRunError"
    " ModelRetry ModelHTTPError FallbackExceptionGroup UnexpectedModelBehavior UsageLimitExceeded UserError ImageUrl"
    " AudioUrl DocumentUrl BinaryContent Tool RunContext __version__",
    "core.agent": "Agent AgentRun AgentRunResult EndStrategy CallToolsNode ModelRequestNode UserPromptNode"
    " capture_run_messages InstrumentationSettings",
    "core.exceptions": "ModelRetry UserError AgentRunError UsageLimitExceeded UnexpectedModelBehavior ModelHTTPError"
    " FallbackExceptionGroup",
    "core.messages": "ModelMessage ModelMessagesTypeAdapter ModelRequest ModelRequestPart ModelResponse"
    " ModelResponsePart SystemPromptPart UserPromptPart ToolReturnPart RetryPromptPart TextPart"
    " ToolCallPart TextPartDelta"
    " ToolCallPartDelta ModelResponsePartDelta PartStartEvent PartDeltaEvent FinalResultEvent FunctionToolCallEvent"
    " FunctionToolResultEvent ModelResponseStreamEvent AgentStreamEvent HandleResponseEvent UserContent"
    " ImageMediaType AudioMediaType DocumentMediaType ImageFormat AudioFormat DocumentFormat",
    "core.result": "FinalResult StreamedRunResult ResultDataT",
    "core.tools": "AgentDepsT RunContext Tool ToolDefinition ToolFuncContext ToolFuncPlain ToolFuncEither ToolParams"
    " ToolPrepareFunc DocstringFormat",
    "core.usage": "Usage UsageLimits",
    "core.settings": "ModelSettings",
    "core.models": "Model ModelRequestParameters StreamedResponse KnownModelName infer_model ALLOW_MODEL_REQUESTS"
    " override_allow_model_requests check_allow_model_requests cached_async_http_client",
    "core.models.test": "TestModel",
    "core.models.function": "FunctionModel AgentInfo DeltaToolCall DeltaToolCalls FunctionDef StreamFunctionDef",
    "core.models.fallback": "FallbackModel",
    "core.models.gemini": "GeminiModel GeminiModelSettings",
}


@pytest.mark.parametrize("module", NAMES)
def test_every_name_is_where_people_import_it_from(module: str) -> None:
    """Only the import lines of their code should have to change."""
    there = importlib.import_module(module)
    assert [name for name in NAMES[module].split() if not hasattr(there, name)] == []


def test_modules_for_users_promise_what_they_hold() -> None:
    """`__all__` is sorted and true."""
    for name in ("core", "core.exceptions", "core.tools", "core.settings", "core.result"):
        module: Any = importlib.import_module(name)
        assert list(module.__all__) == sorted(module.__all__)
        assert all(hasattr(module, each) for each in module.__all__)


def test_type_checkers_know_results_and_refuse_wrong_deps() -> None:
    """mypy reads the claims of typed_agent.py, each `type: ignore` among them."""
    claims = Path(__file__).with_name("typed_agent.py")
    asked = [sys.executable, "-m", "mypy", "--strict", str(claims)]
    said = subprocess.run(asked, capture_output=True, text=True, check=False, cwd=claims.parents[2])
    assert said.returncode == 0, said.stdout


def test_exceptions_say_what_they_always_said() -> None:
    """People match these texts."""
    assert str(UnexpectedModelBehavior("odd")) == "odd"
    assert str(UnexpectedModelBehavior("odd", '{"a": 1}')) == 'odd, body:\n{\n  "a": 1\n}'
    assert str(UnexpectedModelBehavior("odd", "no json")) == "odd, body:\nno json"
    refused = ModelHTTPError(500, "gpt", {"error": "x"})
    assert str(refused) == "status_code: 500, model_name: gpt, body: {'error': 'x'}"
    assert (refused.status_code, refused.model_name, refused.body) == (500, "gpt", {"error": "x"})
    for kind, base in ((UserError, RuntimeError), (UsageLimitExceeded, core.AgentRunError)):
        assert issubclass(kind, base) and kind("why").message == "why"
    assert issubclass(core.AgentRunError, RuntimeError) and core.ModelRetry("m").message == "m"
    assert issubclass(core.FallbackExceptionGroup, ExceptionGroup)


def test_limits_name_themselves_and_what_was_used() -> None:
    """In this order, and only strictly beyond."""
    limits = UsageLimits(request_limit=2, request_tokens_limit=5, response_tokens_limit=5, total_tokens_limit=9)
    limits.check_before_request(Usage(requests=1))
    limits.check_tokens(Usage(request_tokens=5, response_tokens=5, total_tokens=9))
    for usage, text in (
        (Usage(request_tokens=6, response_tokens=6), "Exceeded the request_tokens_limit of 5 (request_tokens=6)"),
        (Usage(response_tokens=6, total_tokens=10), "Exceeded the response_tokens_limit of 5 (response_tokens=6)"),
        (Usage(total_tokens=10), "Exceeded the total_tokens_limit of 9 (total_tokens=10)"),
    ):
        with pytest.raises(UsageLimitExceeded) as caught:
            limits.check_tokens(usage)
        assert str(caught.value) == text
    with pytest.raises(UsageLimitExceeded, match=r"^The next request would exceed the request_limit of 2$"):
        limits.check_before_request(Usage(requests=2))
    assert UsageLimits().request_limit == 50 and not UsageLimits().has_token_limits() and limits.has_token_limits()
    UsageLimits(request_limit=None).check_before_request(Usage(requests=10**6))


def test_unknown_counts_stay_unknown() -> None:
    """None and None is None, not zero; zeros are not reported."""
    usage = Usage()
    usage.incr(Usage(request_tokens=1, details={"a": 0}), requests=1)
    assert usage == Usage(requests=1, request_tokens=1, details={"a": 0}) and usage.total_tokens is None
    assert usage.opentelemetry_attributes() == {"gen_ai.usage.input_tokens": 1}


@pytest.mark.parametrize(
    ("content", "media_type", "kind"),
    [
        (ImageUrl("https://x.org/a.jpg"), "image/jpeg", "jpeg"),
        (ImageUrl("https://x.org/a.jpeg"), "image/jpeg", "jpeg"),
        (ImageUrl("https://x.org/a.png"), "image/png", "png"),
        (ImageUrl("https://x.org/a.gif"), "image/gif", "gif"),
        (ImageUrl("https://x.org/a.webp"), "image/webp", "webp"),
        (AudioUrl("https://x.org/a.mp3"), "audio/mpeg", None),
        (AudioUrl("https://x.org/a.wav"), "audio/wav", None),
        (DocumentUrl("https://x.org/a.pdf"), "application/pdf", "pdf"),
        (DocumentUrl("https://x.org/a.txt"), "text/plain", "txt"),
        (DocumentUrl("https://x.org/a.csv"), "text/csv", "csv"),
        (DocumentUrl("https://x.org/a.html"), "text/html", "html"),
        (BinaryContent(b"", "application/msword"), "application/msword", "doc"),
        (BinaryContent(b"", "audio/mpeg"), "audio/mpeg", "mp3"),
        (BinaryContent(b"", "audio/wav"), "audio/wav", "wav"),
        (BinaryContent(b"", "image/webp"), "image/webp", "webp"),
        (BinaryContent(b"", "text/markdown"), "text/markdown", "md"),
        (BinaryContent(b"", "application/vnd.ms-excel"), "application/vnd.ms-excel", "xls"),
    ],
)
def test_media_know_their_type_and_format(content: Any, media_type: str, kind: str | None) -> None:
    assert content.media_type == media_type
    assert kind is None or content.format == kind


@pytest.mark.parametrize(
    ("read", "error", "text"),
    [
        (lambda: ImageUrl("a.potato").media_type, ValueError, "Unknown image file extension: a.potato"),
        (lambda: AudioUrl("a.potato").media_type, ValueError, "Unknown audio file extension: a.potato"),
        (lambda: DocumentUrl("a.potato").media_type, RuntimeError, "Unknown document file extension: a.potato"),
        (lambda: DocumentUrl("a.mp4").format, ValueError, "Unknown document media type: video/mp4"),
        (lambda: BinaryContent(b"", "video/mp4").format, ValueError, "Unknown media type: video/mp4"),
    ],
)
def test_unknown_media_are_named(read: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=f"^{text}$"):
        read()


def test_binary_content_knows_what_it_is() -> None:
    kinds = [
        (each.is_audio, each.is_image, each.is_document)
        for each in (BinaryContent(b"", "audio/wav"), BinaryContent(b"", "image/png"), BinaryContent(b"", "text/csv"))
    ]
    assert kinds == [(True, False, False), (False, True, False), (False, False, True)]
    assert not BinaryContent(b"", "application/octet-stream").is_document


def test_stored_histories_of_others_load_and_ours_look_like_theirs() -> None:
    """The same fields in the same order; nothing of ours unless it holds something."""
    stored = (
        b'[{"parts":[{"content":"Be kind.","dynamic_ref":null,"part_kind":"system-prompt"},'
        b'{"content":["Hi",{"data":"SGVsbG8=","media_type":"text/plain","kind":"binary"},'
        b'{"url":"https://x.org/a.png","kind":"image-url"}],"timestamp":"2025-03-15T10:00:00Z","part_kind":"user-prompt"},'
        b'{"content":"again","tool_name":"t","tool_call_id":null,"timestamp":"2025-03-15T10:00:00Z",'
        b'"part_kind":"retry-prompt"},'
        b'{"tool_name":"t","content":{"a":[1]},"tool_call_id":"7","timestamp":"2025-03-15T10:00:00Z",'
        b'"part_kind":"tool-return"}],"kind":"request"},'
        b'{"parts":[{"content":"Yes","part_kind":"text"},'
        b'{"tool_name":"t","args":"{}","tool_call_id":null,"part_kind":"tool-call"}],'
        b'"model_name":"gpt-4o","timestamp":"2025-03-15T10:00:00Z","kind":"response"}]'
    )
    loaded = ModelMessagesTypeAdapter.validate_json(stored)
    assert ModelMessagesTypeAdapter.dump_json(loaded) == stored
    at = datetime(2025, 3, 15, 10, tzinfo=UTC)
    hello = [BinaryContent(b"Hello", "text/plain"), ImageUrl("https://x.org/a.png")]
    assert loaded == [
        ModelRequest(
            [
                SystemPromptPart("Be kind."),
                UserPromptPart(["Hi", *hello], at),
                RetryPromptPart("again", "t", None, at),
                ToolReturnPart("t", {"a": [1]}, "7", at),
            ]
        ),
        ModelResponse([TextPart("Yes"), ToolCallPart("t", "{}")], "gpt-4o", at),
    ]
    older = [
        {"kind": "response", "parts": [{"part_kind": "text", "content": "x"}], "timestamp": "2024-12-01T00:00:00Z"}
    ]
    [response] = ModelMessagesTypeAdapter.validate_json(json.dumps(older))
    assert isinstance(response, ModelResponse) and response.model_name is None


def test_a_retry_prompt_reads_like_this_to_a_model() -> None:
    assert RetryPromptPart("No.").model_response() == "No.\n\nFix the errors and try again."
    errors: Any = [{"type": "missing", "loc": ("a",), "msg": "Field required", "input": {}, "ctx": {"x": 1}}]
    text = RetryPromptPart(errors, "t").model_response()
    assert text.startswith('1 validation errors: [\n  {\n    "type": "missing",') and '"ctx"' not in text
    assert text.endswith("]\n\nFix the errors and try again.")


def test_tool_calls_give_their_arguments_in_either_form() -> None:
    text, made = ToolCallPart("t", '{"a": 1}'), ToolCallPart("t", {"a": 1})
    assert text.args_as_dict() == made.args_as_dict() == {"a": 1}
    assert (text.args_as_json_str(), made.args_as_json_str()) == ('{"a": 1}', '{"a":1}')
    assert text.has_content() and made.has_content()
    assert not ToolCallPart("t", "").has_content() and not ToolCallPart("t", {}).has_content()


def test_known_model_names_are_those_of_the_document() -> None:
    """45 bare ones, 43 bedrock, 41 openai, 13 cohere, and so on; newer ones of ours beside them."""
    names = set(get_args(KnownModelName))
    for name in (
        "test",
        "gpt-4o",
        "claude-3-5-sonnet-latest",
        "groq:llama-3.3-70b-versatile",
        "cohere:command-r7b-12-2024",
        "bedrock:us.amazon.nova-lite-v1:0",
        "google-vertex:gemini-2.0-flash",
        "mistral:mistral-small-latest",
        "deepseek:deepseek-reasoner",
        "openai:chatgpt-4o-latest",
    ):
        assert name in names
    least = {
        "bedrock": 43,
        "openai": 41,
        "cohere": 13,
        "google-gla": 10,
        "google-vertex": 10,
        "anthropic": 4,
        "mistral": 4,
    }
    for provider, count in least.items():
        assert sum(name.startswith(f"{provider}:") for name in names) >= count
    assert sum(":" not in name for name in names) >= 45


def test_a_tool_is_made_of_keyword_arguments() -> None:
    """With these defaults."""

    def f(x: int) -> int:
        """Do it."""
        return x

    tool: Tool[None] = Tool(f)
    assert (tool.name, tool.description, tool.takes_ctx, tool.max_retries) == ("f", "Do it.", False, None)
    assert tool.prepare is None and tool.function is f
    assert Tool(f, name="g", description="Other.", max_retries=3).max_retries == 3


def test_annotations_may_name_deps_and_result() -> None:
    """As they are evaluated when a function is defined; code written for the first face has both."""
    for kind in (core.StreamedRunResult, AgentRun, AgentStream):
        assert kind[None, str].__origin__ is kind
    for node in (core.UserPromptNode, core.ModelRequestNode, core.CallToolsNode):
        assert node[None, str].__origin__ is node
    assert core.Agent[None, str] is not None and core.AgentRunResult[str] is not None
