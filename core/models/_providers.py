"""Where a model is reached, apart from the model: as code written for pydantic-ai 0.0.40 gives it, `provider=`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from core.models._profiles import OPENAI, PROVIDERS
from core.models.errors import UserError

if TYPE_CHECKING:
    import httpx

__all__ = ["DeepSeekProvider", "OpenAIProvider", "Provider"]


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
        if openai_client is not None:
            if base_url or api_key or http_client:
                raise UserError("With `openai_client` neither `base_url`, `api_key` nor `http_client` can be given")
            base_url, api_key = str(openai_client.base_url), openai_client.api_key
        address = base_url or os.environ.get(OPENAI.url_env) or OPENAI.base_url
        super().__init__("openai", address.rstrip("/"), api_key, http_client)


class DeepSeekProvider(Provider):
    """DeepSeek."""

    def __init__(self, api_key: str | None = None, http_client: httpx.AsyncClient | None = None) -> None:
        deepseek = PROVIDERS["deepseek"]
        address = os.environ.get(deepseek.url_env) or deepseek.base_url
        super().__init__("deepseek", address.rstrip("/"), api_key, http_client)
