"""From a name to a model: "openai:gpt-4o", "ollama:llama3.2", "demo", "test"."""

from __future__ import annotations

from typing import Literal

from core.models.base import Model
from core.models.errors import UserError

__all__ = ["KnownModelName", "infer_model", "provider_of"]

KnownModelName = Literal[
    "demo",
    "test",
    "gemini-2.0-flash",
    "gemini-2.5-flash",
    "gemini-2.5-flash-lite",
    "gemini-2.5-pro",
    "gemini-3-flash-preview",
    "gemini-3-pro-preview",
    "claude-haiku-4-5",
    "claude-opus-4-5",
    "claude-sonnet-4-5",
    "gpt-3.5-turbo",
    "gpt-4",
    "gpt-4-turbo",
    "gpt-4o",
    "gpt-4o-mini",
    "o1",
    "o1-mini",
    "o3-mini",
    "anthropic:claude-haiku-4-5",
    "anthropic:claude-opus-4-5",
    "anthropic:claude-opus-5",
    "anthropic:claude-sonnet-4-5",
    "anthropic:claude-sonnet-5",
    "google:gemini-2.0-flash",
    "google:gemini-2.5-flash",
    "google:gemini-2.5-flash-lite",
    "google:gemini-2.5-pro",
    "google:gemini-3-flash-preview",
    "google:gemini-3-pro-preview",
    "google-gla:gemini-2.0-flash",
    "google-gla:gemini-2.5-flash",
    "google-gla:gemini-2.5-flash-lite",
    "google-gla:gemini-2.5-pro",
    "google-gla:gemini-3-flash-preview",
    "google-gla:gemini-3-pro-preview",
    "deepseek:deepseek-chat",
    "deepseek:deepseek-reasoner",
    "groq:llama-3.1-8b-instant",
    "groq:llama-3.3-70b-versatile",
    "mistral:codestral-latest",
    "mistral:mistral-large-latest",
    "mistral:mistral-small-latest",
    "openai-responses:gpt-4o",
    "openai-responses:gpt-5",
    "openai:gpt-3.5-turbo",
    "openai:gpt-4",
    "openai:gpt-4-turbo",
    "openai:gpt-4o",
    "openai:gpt-4o-mini",
    "openai:o1",
    "openai:o1-mini",
    "openai:o3-mini",
    "ollama:llama3.2",
]
"""Names an editor may offer; any other name a provider knows works as well."""

_NOT_BUILT = {
    "bedrock": "AWS Bedrock",
    "cohere": "Cohere",
}

_COMPATIBLE = ("azure", "deepseek", "grok", "groq", "mistral", "openrouter", "xai")
"""Providers that speak chat completions; each has its own key, as GROQ_API_KEY (see `core.models._profiles`)."""


def infer_model(model: Model | str) -> Model:
    """The model called `model`; a model object is given back as it is.

    Raises UserError for a name nobody knows, a provider that is not built yet, or a missing key.
    """
    if isinstance(model, Model):
        return model
    provider, _, name = model.partition(":")
    match provider if name else provider_of(model):
        case "test":
            from core.models.test import TestModel

            return TestModel()
        case "demo":
            from core.models.demo import DemoModel

            return DemoModel()
        case "openai":
            from core.models.openai import OpenAIModel

            return OpenAIModel(name or model)
        case "anthropic":
            from core.models.anthropic import AnthropicModel

            return AnthropicModel(name or model)
        case "google" | "google-gla":
            from core.models.google import GeminiModel

            return GeminiModel(name or model)
        case "google-vertex" | "vertexai":
            raise UserError(
                f"Model {model!r}: Vertex AI, which takes no API keys, is not built in. "
                "Use 'google:<model>' with a GEMINI_API_KEY of Google AI Studio."
            )
        case "openai-responses" if name:
            from core.models.responses import OpenAIResponsesModel

            return OpenAIResponsesModel(name)
        case "ollama" if name:
            from core.models.openai import OpenAIModel

            return OpenAIModel(name, provider="ollama", api_key="ollama")  # Ollama takes any key
        case compatible if name and compatible in _COMPATIBLE:
            from core.models.openai import OpenAIModel

            return OpenAIModel(name, provider=compatible)
        case known if known in _NOT_BUILT:
            raise UserError(
                f"Model {model!r}: {_NOT_BUILT[known]} is not built in yet. "
                "Use 'openai:<model>' (with OPENAI_BASE_URL for any compatible server), 'anthropic:<model>', "
                "'ollama:<model>' or 'demo'."
            )
        case _:
            raise UserError(f"Unknown model: {model}")


def provider_of(name: str) -> str:
    """The provider of a bare model name, "" if nobody is known by it."""
    if name in ("test", "demo"):
        return name
    for prefix, provider in (("gpt", "openai"), ("o1", "openai"), ("o3", "openai"), ("claude", "anthropic")):
        if name.startswith(prefix):
            return provider
    return "google" if name.startswith("gemini") else ""
