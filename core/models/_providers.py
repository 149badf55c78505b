"""Where a model is reached, apart from the model: as code written for pydantic-ai 0.0.40 gives it, `provider=`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from core.models._profiles import OPENAI, PROVIDERS
from core.models.errors import UserError

if TYPE_CHECKING:
    import httpx

__all__ = [
    "GOOGLE_BASE_URL",
    "DeepSeekProvider",
    "GoogleGLAProvider",
    "OpenAIProvider",
    "Provider",
    "where_client_goes",
]

GOOGLE_BASE_URL = "https://generativelanguage.googleapis.com"


def where_client_goes(
    parameter: str,
    client: Any | None,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    http_client: httpx.AsyncClient | None = None,
) -> tuple[str | None, str | None]:
    """The address and the key of an official client, which is given as `parameter`; without one, those given.

    Raises UserError when there are both.
    """
    if client is None:
        return base_url, api_key
    if base_url or api_key or http_client:
        raise UserError(f"With `{parameter}` neither `base_url`, `api_key` nor `http_client` can be given")
    return str(client.base_url), client.api_key


class Provider:
    """An address, a key and a client.

    name: whose ways the server has.   api_key: None means the provider's environment variable.
    http_client: stays the caller's; None means connections of our own.
    """

    def __init__(
        self, name: str, base_url: str, api_key: str | None = None, http_client: httpx.AsyncClient | None = None
    ) -> None:
        self.name = name
        self.base_url = base_url
        self.api_key = api_key
        self.http_client = http_client


class OpenAIProvider(Provider):
    """OpenAI, or with `base_url` any server that speaks as it does.

    openai_client: an `openai.AsyncOpenAI`, of which address and key are taken; nothing else may be given then.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        openai_client: Any | None = None,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        base_url, api_key = where_client_goes(
            "openai_client", openai_client, base_url=base_url, api_key=api_key, http_client=http_client
        )
        address = base_url or os.environ.get(OPENAI.url_env) or OPENAI.base_url
        super().__init__("openai", address.rstrip("/"), api_key, http_client)


class DeepSeekProvider(Provider):
    """DeepSeek; `openai_client` as for OpenAIProvider."""

    def __init__(
        self,
        *,
        api_key: str | None = None,
        openai_client: Any | None = None,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        base_url, api_key = where_client_goes("openai_client", openai_client, api_key=api_key, http_client=http_client)
        deepseek = PROVIDERS["deepseek"]
        address = base_url or os.environ.get(deepseek.url_env) or deepseek.base_url
        super().__init__("deepseek", address.rstrip("/"), api_key, http_client)


class GoogleGLAProvider(Provider):
    """Google's Gemini API, the one with a key."""

    def __init__(self, api_key: str | None = None, http_client: httpx.AsyncClient | None = None) -> None:
        address = os.environ.get("GEMINI_BASE_URL") or GOOGLE_BASE_URL
        super().__init__("google-gla", address.rstrip("/"), api_key, http_client)
