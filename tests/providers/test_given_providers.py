"""A model that is given its provider as an object, as code written for pydantic-ai 0.0.40 does."""

from __future__ import annotations

import httpx
import pytest
from openai import AsyncOpenAI

from core import Agent, UserError
from core.models import OpenAIModel
from core.providers.deepseek import DeepSeekProvider
from core.providers.openai import OpenAIProvider
from tests.providers.clients import served_by
from tests.providers.openai_server import OpenAIServer

server = served_by(OpenAIServer)


async def test_address_key_and_client_are_those_of_the_provider(server: OpenAIServer) -> None:
    async with httpx.AsyncClient(trust_env=False, headers={"x-own": "yes"}) as client:
        provider = OpenAIProvider(base_url=server.base_url + "/", api_key="secret", http_client=client)
        model = OpenAIModel("gpt-4o", provider=provider)
        assert (await Agent(model).run("Hi")).data == "Hello"
    assert provider.base_url == model.base_url == server.base_url and provider.name == "openai"
    [request] = server.requests
    assert request.headers["authorization"] == "Bearer secret" and request.headers["x-own"] == "yes"


async def test_the_address_and_key_of_an_openai_client_are_used(server: OpenAIServer) -> None:
    async with AsyncOpenAI(base_url=server.base_url, api_key="theirs") as client:
        model = OpenAIModel("gpt-4o", provider=OpenAIProvider(openai_client=client))
        with pytest.raises(UserError, match="neither"):
            OpenAIProvider(openai_client=client, api_key="x")
    assert (await Agent(model).run("Hi")).data == "Hello"
    assert server.requests[0].headers["authorization"] == "Bearer theirs"
    await model.aclose()


def test_what_is_not_given_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of one's own needs no key; OpenAI does, and a key of its never goes to DeepSeek."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("DEEPSEEK_API_KEY", raising=False)
    assert OpenAIModel("m", provider=OpenAIProvider()).base_url == "http://127.0.0.1:9/v1"
    monkeypatch.delenv("OPENAI_BASE_URL")
    with pytest.raises(UserError, match="OPENAI_API_KEY"):
        OpenAIModel("m", provider=OpenAIProvider())
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    with pytest.raises(UserError, match="DEEPSEEK_API_KEY"):
        OpenAIModel("m", provider=DeepSeekProvider())
    deepseek = OpenAIModel("deepseek-chat", provider=DeepSeekProvider(api_key="k"))
    assert deepseek.system == "deepseek" and deepseek.base_url == "https://api.deepseek.com"
