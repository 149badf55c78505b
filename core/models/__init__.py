"""The Model interface and the providers over HTTP. Providers are imported when they are first asked for."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from core.models.base import (
    Model,
    ModelRequestParameters,
    StreamedResponse,
    ToolDefinition,
    check_allow_model_requests,
)
from core.models.infer import KnownModelName, infer_model
from core.models.settings import ModelSettings, merge_model_settings
from core.models.usage import Usage, UsageLimits

if TYPE_CHECKING:
    from core.models._clients import cached_async_http_client
    from core.models.anthropic import AnthropicModel, AnthropicModelSettings
    from core.models.demo import DemoModel
    from core.models.fallback import FallbackModel
    from core.models.function import AgentInfo, DeltaToolCall, FunctionModel
    from core.models.google import GeminiModel, GeminiModelSettings
    from core.models.instrumented import InstrumentationSettings, InstrumentedModel
    from core.models.openai import OpenAIChat, OpenAIModel, OpenAIModelSettings
    from core.models.responses import OpenAIResponsesModel, OpenAIResponsesModelSettings
    from core.models.test import TestModel
    from core.models.wrapper import WrapperModel

__all__ = [
    "ALLOW_MODEL_REQUESTS",
    "AgentInfo",
    "AnthropicModel",
    "AnthropicModelSettings",
    "DeltaToolCall",
    "DemoModel",
    "FallbackModel",
    "FunctionModel",
    "GeminiModel",
    "GeminiModelSettings",
    "InstrumentationSettings",
    "InstrumentedModel",
    "KnownModelName",
    "Model",
    "ModelRequestParameters",
    "ModelSettings",
    "OpenAIChat",
    "OpenAIModel",
    "OpenAIModelSettings",
    "OpenAIResponsesModel",
    "OpenAIResponsesModelSettings",
    "StreamedResponse",
    "TestModel",
    "ToolDefinition",
    "Usage",
    "UsageLimits",
    "WrapperModel",
    "cached_async_http_client",
    "check_allow_model_requests",
    "infer_model",
    "merge_model_settings",
    "override_allow_model_requests",
]

ALLOW_MODEL_REQUESTS = True
"""Whether real models may be asked. Tests set it to False, so that no test reaches a provider by accident."""

_LAZY = {
    "AgentInfo": "function",
    "AnthropicModel": "anthropic",
    "AnthropicModelSettings": "anthropic",
    "DeltaToolCall": "function",
    "DemoModel": "demo",
    "FallbackModel": "fallback",
    "FunctionModel": "function",
    "GeminiModel": "google",
    "GeminiModelSettings": "google",
    "InstrumentationSettings": "instrumented",
    "InstrumentedModel": "instrumented",
    "OpenAIChat": "openai",
    "OpenAIModel": "openai",
    "OpenAIModelSettings": "openai",
    "OpenAIResponsesModel": "responses",
    "OpenAIResponsesModelSettings": "responses",
    "TestModel": "test",
    "WrapperModel": "wrapper",
    "cached_async_http_client": "_clients",
}


@contextmanager
def override_allow_model_requests(allow_model_requests: bool) -> Iterator[None]:
    """Allow or forbid requests to real models within the context."""
    global ALLOW_MODEL_REQUESTS
    before = ALLOW_MODEL_REQUESTS
    ALLOW_MODEL_REQUESTS = allow_model_requests
    try:
        yield
    finally:
        ALLOW_MODEL_REQUESTS = before


def __getattr__(name: str) -> Any:  # the names above, each with its own type for checkers
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
