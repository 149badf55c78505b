"""Servers that speak chat completions, and where each of them deviates from OpenAI.

A deviation is a value here, never a branch in the client. What is not in a table is found out: a server that refuses a
field that can be spared is asked again without it (`spared`).

Sources, as of September 2026: the API references of OpenAI, Azure OpenAI, Groq, Mistral, DeepSeek, OpenRouter and xAI.
"""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from core.models._call_ids import IdShape
from core.models._openai_wire import OPENAI_IDS
from core.models.errors import ModelBadRequest, ModelHTTPError, UserError

__all__ = ["PROVIDERS", "Profile", "Server", "key_header", "profile_of", "server_for", "spared"]


@dataclass(frozen=True)
class Profile:
    """One kind of server.

    system: its name for OpenTelemetry.   title: its name for people.   base_url: its address, "" where there is none.
    url_env, key_env: the environment variables that hold the address and the key; "" for none.
    needs_key: whether it refuses requests without one.   key_header: the header of the key, which is a Bearer token in
    `authorization`.   query: comes after the path.   max_tokens: its name for that setting.
    required: the `tool_choice` that forbids text; None leaves the field out.   stream_usage: whether it takes
    `stream_options`.   n: whether it is told to give one answer.   ids: what tool call ids may look like.
    thoughts_as: the field in which it wants its thoughts back.   names: its names of settings, None for those it does
    not take.   effort: where the reasoning effort goes.
    """

    system: str
    title: str
    base_url: str = ""
    url_env: str = ""
    key_env: str = ""
    needs_key: bool = True
    key_header: str = "authorization"
    query: str = ""
    max_tokens: str = "max_tokens"
    required: str | None = "required"
    stream_usage: bool = True
    n: bool = False
    ids: IdShape = OPENAI_IDS
    thoughts_as: str | None = None
    names: Mapping[str, str | None] = field(default_factory=lambda: MappingProxyType({}))
    effort: tuple[str, ...] = ("reasoning_effort",)

    def settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """`given` under this server's names."""
        out: dict[str, Any] = {}
        for key, value in given.items():
            if (name := self.names.get(key, key)) is not None and value is not None:
                out[name] = value
        return out

    def effort_out(self, effort: str) -> dict[str, Any]:
        """The field of the reasoning effort."""
        outer, *inner = self.effort
        return {outer: {inner[0]: effort} if inner else effort}


OPENAI = Profile(
    "openai",
    "OpenAI",
    "https://api.openai.com/v1",
    "OPENAI_BASE_URL",
    "OPENAI_API_KEY",
    max_tokens="max_completion_tokens",  # its reasoning models refuse the old name
    n=True,
)
COMPATIBLE = replace(OPENAI, title="the server", base_url="", needs_key=False, max_tokens="max_tokens")
"""Any other server: vLLM, llama.cpp, LM Studio, a proxy."""

PROVIDERS = {
    "openai": OPENAI,
    "groq": Profile(
        "groq",
        "Groq",
        "https://api.groq.com/openai/v1",
        "GROQ_BASE_URL",
        "GROQ_API_KEY",
        max_tokens="max_completion_tokens",
        names=MappingProxyType({"logit_bias": None}),
    ),
    "mistral": Profile(
        "mistral",
        "Mistral",
        "https://api.mistral.ai/v1",
        "MISTRAL_BASE_URL",
        "MISTRAL_API_KEY",
        required="any",
        stream_usage=False,  # usage comes in the last chunk unasked; the field is an unknown one
        ids=IdShape(r"[a-zA-Z0-9]{9}", prefix="", digits=9),
        names=MappingProxyType({"seed": "random_seed", "logit_bias": None, "user": None}),
    ),
    "deepseek": Profile(
        "deepseek",
        "DeepSeek",
        "https://api.deepseek.com",
        "DEEPSEEK_BASE_URL",
        "DEEPSEEK_API_KEY",
        thoughts_as="reasoning_content",  # missing beside a tool call of a thinking model, it refuses
        names=MappingProxyType({"seed": None, "logit_bias": None, "parallel_tool_calls": None}),
    ),
    "openrouter": Profile(
        "openrouter",
        "OpenRouter",
        "https://openrouter.ai/api/v1",
        "OPENROUTER_BASE_URL",
        "OPENROUTER_API_KEY",
        effort=("reasoning", "effort"),
    ),
    "xai": Profile(
        "xai",
        "xAI",
        "https://api.x.ai/v1",
        "XAI_BASE_URL",
        "XAI_API_KEY",
        max_tokens="max_completion_tokens",
        names=MappingProxyType({"logit_bias": None}),
    ),
    "ollama": Profile(
        "ollama",
        "Ollama",
        "http://localhost:11434/v1",
        "OLLAMA_BASE_URL",
        needs_key=False,
        names=MappingProxyType({"logit_bias": None, "parallel_tool_calls": None, "user": None}),
    ),
    "azure": Profile(
        "azure",
        "Azure OpenAI",
        "",
        "AZURE_OPENAI_ENDPOINT",
        "AZURE_OPENAI_API_KEY",
        key_header="api-key",
        max_tokens="max_completion_tokens",
        n=True,
    ),
}
PROVIDERS["grok"] = PROVIDERS["xai"]

_HOSTS = {
    "api.openai.com": "openai",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral",
    "api.deepseek.com": "deepseek",
    "openrouter.ai": "openrouter",
    "api.x.ai": "xai",
}


def profile_of(base_url: str) -> Profile:
    """The profile of the server at `base_url`, by its host."""
    host = urllib.parse.urlsplit(base_url).hostname or ""
    if host in _HOSTS:
        return PROVIDERS[_HOSTS[host]]
    if host.endswith((".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")):
        return PROVIDERS["azure"]
    return COMPATIBLE


@dataclass(frozen=True)
class Server:
    """Where requests go."""

    profile: Profile
    base_url: str
    api_key: str


def server_for(model_name: str, base_url: str | None, api_key: str | None, provider: str | None, path: str) -> Server:
    """The server a model is reached at; what is not given comes from the environment.

    Raises UserError naming what is missing. A key never goes to another provider than the one it is for: with
    `provider` only that provider's own environment variable counts.
    """
    named = PROVIDERS[provider] if provider else OPENAI
    address = (base_url or os.environ.get(named.url_env) or named.base_url).rstrip("/")
    if not address:
        raise UserError(f"{named.title} needs an address: set {named.url_env}")
    profile = named if provider else profile_of(address)
    key = api_key or (os.environ.get(named.key_env, "") if named.key_env else "")
    if not key and profile.needs_key:
        other = f" (or {named.url_env} for another server)" if named is OPENAI else ""
        raise UserError(f"{profile.title} needs an API key: set {named.key_env}{other}")
    where = urllib.parse.urlsplit(address)
    if key and where.username:
        raise UserError("The base URL has a user name in it, and there is an API key as well; use one of the two")
    if profile.system == "azure" and not where.path.strip("/"):
        profile, address = _azure(profile, address, model_name, path)
    return Server(profile, address, key)


def _azure(profile: Profile, endpoint: str, model_name: str, path: str) -> tuple[Profile, str]:
    """Azure has two addresses: `{endpoint}/openai/v1`; and, with OPENAI_API_VERSION set, the one of a deployment."""
    version = os.environ.get("OPENAI_API_VERSION")
    if not version:
        return profile, f"{endpoint}/openai/v1"
    profile = replace(profile, query="?" + urllib.parse.urlencode({"api-version": version}))
    deployment = f"/deployments/{urllib.parse.quote(model_name)}" if path.startswith("chat") else ""
    return profile, f"{endpoint}/openai{deployment}"


def key_header(profile: Profile, api_key: str) -> dict[str, str]:
    if not api_key:
        return {}
    return {profile.key_header: f"Bearer {api_key}" if profile.key_header == "authorization" else api_key}


_SPARED = ("stream_options", "parallel_tool_calls", "reasoning_effort", "reasoning", "include", "user", "n", "seed")
_RENAMED = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}


def spared(body: Mapping[str, Any], refusal: ModelHTTPError) -> dict[str, Any] | None:
    """`body` such that the field `refusal` names is no longer refused; None if it names none that can be spared.

    The limit of tokens goes under its other name, `tool_choice` becomes "auto" (the engine asks again when it gets text
    it did not want) and then nothing.
    """
    if not isinstance(refusal, ModelBadRequest):
        return None
    said = str(refusal.body)
    for name, other in _RENAMED.items():
        if name in body and _names(said, other) and _names(said, name):
            return {**_without(body, name), other: body[name]}
    if "tool_choice" in body and _names(said, "tool_choice"):
        return _without(body, "tool_choice") | ({} if body["tool_choice"] == "auto" else {"tool_choice": "auto"})
    if "include" in body and "ncrypted content" in said:
        return _without(body, "include")
    return next((_without(body, name) for name in _SPARED if name in body and _names(said, name)), None)


def _names(text: str, field: str) -> bool:
    """Whether `text` speaks of `field`; of one that is a word of every day, only in quotes."""
    quoted = rf"['\"`]{field}['\"`]"
    return re.search(quoted if field in ("n", "user", "include", "seed") else rf"\b{field}\b", text) is not None


def _without(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}
