"""A model that is given its provider as an object, as code written for pydantic-ai 0.0.40 does."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from core import Agent, UserError
from core.models import AnthropicModel, OpenAIModel, cached_async_http_client
from core.models.gemini import GeminiModel
from core.providers.deepseek import DeepSeekProvider
from core.providers.google_gla import GoogleGLAProvider
from core.providers.openai import OpenAIProvider
from tests.providers.anthropic_server import AnthropicServer
from tests.providers.clients import served_by
from tests.providers.google_server import GoogleServer
from tests.providers.openai_server import OpenAIServer

server = served_by(OpenAIServer)
anthropic = served_by(AnthropicServer)
google = served_by(GoogleServer)


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


async def test_a_model_takes_address_and_key_of_an_official_client(
    server: OpenAIServer, anthropic: AnthropicServer
) -> None:
    """As it could be given one before there were providers; it then says all there is to say."""
    async with AsyncOpenAI(base_url=server.base_url, api_key="theirs") as client:
        model = OpenAIModel("gpt-4o", openai_client=client)
        with pytest.raises(UserError, match="`openai_client` neither"):
            OpenAIModel("gpt-4o", openai_client=client, base_url="http://127.0.0.1:9")
        assert DeepSeekProvider(openai_client=client).base_url == server.base_url
    assert (await Agent(model).run("Hi")).data == "Hello"
    assert server.requests[0].headers["authorization"] == "Bearer theirs"
    async with AsyncAnthropic(base_url=anthropic.base_url, api_key="theirs too") as client_of_anthropic:
        claude = AnthropicModel("claude-sonnet-4-5", anthropic_client=client_of_anthropic)
        with pytest.raises(UserError, match="`anthropic_client` neither"):
            AnthropicModel("claude-sonnet-4-5", anthropic_client=client_of_anthropic, api_key="k")
    assert (await Agent(claude).run("Hi")).data == "Hello"
    assert anthropic.requests[0].headers["x-api-key"] == "theirs too"
    await model.aclose()
    await claude.aclose()


async def test_gemini_takes_key_and_client_of_its_provider(
    google: GoogleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_BASE_URL", google.base_url)
    async with httpx.AsyncClient(trust_env=False, headers={"x-own": "yes"}) as client:
        provider = GoogleGLAProvider(api_key="secret", http_client=client)
        assert (await Agent(GeminiModel("gemini-2.0-flash", provider=provider)).run("Hi")).data == "Hello"
    assert (provider.name, provider.base_url) == ("google-gla", google.base_url)
    [request] = google.requests
    assert request.headers["x-goog-api-key"] == "secret" and request.headers["x-own"] == "yes"
    assert GeminiModel("gemini-2.0-flash", provider="google-gla").base_url == google.base_url
    with pytest.raises(UserError, match="Vertex"):
        GeminiModel("gemini-2.0-flash", provider="google-vertex")  # type: ignore[arg-type]  # a checker refuses it, too


def test_a_client_can_be_shared_without_being_owned() -> None:
    """The same one for each loop, since connections of one loop are of no use in another, until it is closed."""

    async def shared() -> httpx.AsyncClient:
        client = cached_async_http_client()
        assert cached_async_http_client() is client and cached_async_http_client(timeout=60) is not client
        assert (client.timeout.read, client.timeout.connect) == (600, 5)
        await client.aclose()
        again = cached_async_http_client()
        assert again is not client and not again.is_closed
        await again.aclose()
        await cached_async_http_client(timeout=60).aclose()
        return again

    assert asyncio.run(shared()) is not asyncio.run(shared())
    outside = cached_async_http_client()
    assert cached_async_http_client() is outside
    asyncio.run(outside.aclose())


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
