"""From a name to a model: "openai:gpt-4o", "ollama:llama3.2", "demo", "test"."""

from __future__ import annotations

import re

from core.models._names import KnownModelName
from core.models.base import Model
from core.models.errors import UserError

__all__ = ["KnownModelName", "infer_model", "provider_of"]

_NOT_BUILT = {
    "bedrock": "AWS Bedrock",
    "cohere": "Cohere",
}

_COMPATIBLE = ("azure", "deepseek", "grok", "groq", "mistral", "openrouter", "xai")
"""Providers that speak chat completions; each has its own key, as GROQ_API_KEY (see `core.models._profiles`)."""


_FORMS = (
    (re.compile(r"(?:chat)?gpt-\S+|o\d(?:-\S+)?"), "openai"),
    (re.compile(r"claude-\S+"), "anthropic"),
    (re.compile(r"gemini-\S+"), "google"),
)
"""How the names begin that providers give their models."""


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
    """The provider of a bare model name, "" for a name that is of no known form: it may be a slip."""
    if name in ("test", "demo"):
        return name
    return next((provider for form, provider in _FORMS if form.fullmatch(name)), "")
