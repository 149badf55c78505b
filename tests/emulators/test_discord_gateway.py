"""The local Discord's gateway, spoken to frame by frame: greetings, close codes, resumes, compression."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from adapters.emulators.discord import DiscordEmulator, Limits, Rate
from adapters.emulators.discord.events import GUILD_MEMBERS, GUILD_MESSAGES, GUILDS, MESSAGE_CONTENT

Json = Any
ALL = GUILDS | GUILD_MESSAGES | MESSAGE_CONTENT
Open = Callable[..., Awaitable["Wire"]]


class Wire:
    """One WebSocket to the gateway, by hand."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self._inflate = zlib.decompressobj()

    async def send(self, op: int, d: Json = None) -> None:
        await self.socket.send_str(json.dumps({"op": op, "d": d}))

    async def read(self) -> Json:
        """The next frame, or the close code."""
        raw = await self.socket.receive(timeout=5)
        if raw.type is aiohttp.WSMsgType.TEXT:
            return json.loads(raw.data)
        if raw.type is aiohttp.WSMsgType.BINARY:
            assert raw.data.endswith(b"\x00\x00\xff\xff")
            return json.loads(self._inflate.decompress(raw.data))
        return self.socket.close_code

    async def until(self, name: str) -> Json:
        """The data of the next dispatch `name`."""
        while (frame := await self.read()).get("t") != name:
            pass
        return frame["d"]

    async def identify(self, token: str, intents: int = ALL, **fields: Json) -> None:
        await self.send(2, {"token": token, "intents": intents, "properties": {}, **fields})


@pytest.fixture
async def emulator() -> AsyncIterator[DiscordEmulator]:
    limits = Limits(gateway_sends=Rate(10, 60), replay_events=5)
    async with DiscordEmulator(limits=limits, portal_intents=MESSAGE_CONTENT).running() as running:
        yield running


@pytest.fixture
async def dial(emulator: DiscordEmulator) -> AsyncIterator[Open]:
    async with aiohttp.ClientSession(trust_env=False) as session:

        async def connect(query: str = "v=10&encoding=json") -> Wire:
            return Wire(await session.ws_connect(f"{emulator.gateway_url}?{query}"))

        yield connect


async def test_the_greeting_is_hello_ready_and_a_guild(emulator: DiscordEmulator, dial: Open) -> None:
    wire = await dial()
    hello = await wire.read()
    assert hello["op"] == 10 and hello["d"]["heartbeat_interval"] == 41250
    await wire.identify(emulator.bot_token)
    ready, guild = await wire.read(), await wire.read()
    assert (ready["t"], ready["s"]) == ("READY", 1)
    assert ready["d"]["guilds"] == [{"id": str(emulator.guild_id), "unavailable": True}]
    assert ready["d"]["application"]["id"] == str(emulator.application_id)
    assert guild["t"] == "GUILD_CREATE" and [one["user"]["bot"] for one in guild["d"]["members"]] == [True]
    await wire.send(1, 2)
    assert (await wire.read())["op"] == 11


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"token": "wrong"}, 4004),
        ({"intents": 1 << 30}, 4013),
        ({"intents": GUILD_MEMBERS}, 4014),
        ({"shard": [2, 2]}, 4010),
    ],
)
async def test_a_bad_identify_is_closed_with_its_code(
    emulator: DiscordEmulator, dial: Open, fields: Json, code: int
) -> None:
    wire = await dial()
    await wire.read()
    await wire.send(2, {"token": emulator.bot_token, "intents": ALL, "properties": {}, **fields})
    assert await wire.read() == code


async def test_frames_out_of_place_are_closed_with_their_codes(emulator: DiscordEmulator, dial: Open) -> None:
    """Not authenticated, already authenticated, unknown op, no JSON, and too many."""

    async def closed_after(*frames: str, identified: bool = False) -> Json:
        wire = await dial()
        await wire.read()
        if identified:
            await wire.identify(emulator.bot_token)
            await wire.until("GUILD_CREATE")
        for frame in frames:
            await wire.socket.send_str(frame)
        while isinstance(answer := await wire.read(), dict):
            pass
        return answer

    assert await closed_after('{"op": 3, "d": {}}') == 4003
    assert await closed_after('{"op": 2, "d": {}}', identified=True) == 4005
    assert await closed_after('{"op": 99}') == 4001
    assert await closed_after("hello") == 4002
    assert await closed_after('{"op": 2, "d": {}}') == 4002
    assert await closed_after(*['{"op": 1, "d": null}'] * 11) == 4008
    wire = await dial("v=6")
    assert await wire.read() == 4012


async def test_a_client_that_never_beats_is_timed_out() -> None:
    async with (
        DiscordEmulator(limits=Limits(heartbeat_s=0.05)).running() as impatient,
        aiohttp.ClientSession(trust_env=False) as session,
    ):
        wire = Wire(await session.ws_connect(impatient.gateway_url))
        assert (await wire.read())["op"] == 10
        assert await wire.read() == 4009


async def test_a_resume_replays_what_was_missed(emulator: DiscordEmulator, dial: Open) -> None:
    wire = await dial()
    await wire.identify(emulator.bot_token)
    ready = await wire.until("READY")
    await emulator.drop()
    await emulator.say("ada", "general", "missed")
    again = await dial()
    await again.read()
    resume = {"token": emulator.bot_token, "session_id": ready["session_id"], "seq": 2}
    await again.send(6, resume)
    first, second = await again.read(), await again.read()
    assert (first["t"], first["s"], first["d"]["content"]) == ("MESSAGE_CREATE", 3, "missed")
    assert (second["t"], second["s"]) == ("RESUMED", 4)
    early = await dial()
    await early.read()
    await early.send(6, {**resume, "seq": 99})
    assert await early.read() == 4007


@pytest.mark.parametrize("why", ["unknown", "too late", "too much missed", "closed with 1000"])
async def test_a_session_that_is_gone_cannot_be_resumed(emulator: DiscordEmulator, dial: Open, why: str) -> None:
    wire = await dial()
    await wire.identify(emulator.bot_token)
    session_id = (await wire.until("READY"))["session_id"]
    await wire.until("GUILD_CREATE")
    if why == "closed with 1000":
        await wire.socket.close(code=1000)
        await emulator.wait_for(lambda: not emulator.gateway.connections)
    else:
        await emulator.drop()
    if why == "too late":
        await emulator.advance(1000)
    if why == "too much missed":
        for number in range(6):
            await emulator.say("ada", "general", str(number))
    again = await dial()
    await again.read()
    session_id = "unknown" if why == "unknown" else session_id
    await again.send(6, {"token": emulator.bot_token, "session_id": session_id, "seq": 2})
    assert (await again.read()) == {"op": 9, "s": None, "t": None, "d": False}


async def test_events_need_their_intent(emulator: DiscordEmulator, dial: Open) -> None:
    """Without GUILD_MESSAGES a message is not heard, the thread made of it is."""
    wire = await dial()
    await wire.identify(emulator.bot_token, GUILDS)
    await wire.until("GUILD_CREATE")
    message = await emulator.say("ada", "general", "hello")
    await emulator.open_thread("ada", message, "talk")
    assert (await wire.read())["t"] == "THREAD_CREATE"


async def test_a_compressed_stream_has_one_context_per_socket(emulator: DiscordEmulator, dial: Open) -> None:
    wire = await dial("v=10&encoding=json&compress=zlib-stream")
    assert (await wire.read())["op"] == 10
    await wire.identify(emulator.bot_token)
    assert (await wire.until("READY"))["v"] == 10


async def test_members_asked_for_come_in_a_chunk(emulator: DiscordEmulator, dial: Open) -> None:
    wire = await dial()
    await wire.identify(emulator.bot_token)
    await wire.until("GUILD_CREATE")
    ada = str(emulator.user("ada").id)
    await wire.send(8, {"guild_id": str(emulator.guild_id), "user_ids": [ada, "1"], "nonce": "n"})
    chunk = await wire.until("GUILD_MEMBERS_CHUNK")
    assert ([one["user"]["id"] for one in chunk["members"]], chunk["not_found"]) == ([ada], ["1"])
    assert chunk["nonce"] == "n"


async def test_identifies_of_a_day_are_counted(emulator: DiscordEmulator, dial: Open) -> None:
    await (await dial()).identify(emulator.bot_token)
    await emulator.wait_for(lambda: emulator.gateway.sessions.all())
    url, headers = f"{emulator.api_url}/gateway/bot", {"Authorization": f"Bot {emulator.bot_token}"}
    async with (
        aiohttp.ClientSession(trust_env=False) as session,
        session.get(url, headers=headers) as answer,
    ):
        body = await answer.json()
    assert body["url"] == emulator.gateway_url and body["session_start_limit"]["remaining"] == 999


async def test_it_can_be_mounted_beside_something_else() -> None:
    """As in the demo: REST and gateway then live below a path."""
    emulator, app = DiscordEmulator(), web.Application()
    app.add_subapp("/discord", emulator.application())
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    emulator.mounted_at(f"http://127.0.0.1:{runner.addresses[0][1]}/discord")
    headers = {"Authorization": f"Bot {emulator.bot_token}"}
    async with aiohttp.ClientSession(trust_env=False) as session:
        async with session.get(f"{emulator.api_url}/gateway/bot", headers=headers) as answer:
            url = (await answer.json())["url"]
        assert url == emulator.gateway_url
        wire = Wire(await session.ws_connect(url))
        await wire.identify(emulator.bot_token)
        assert (await wire.until("READY"))["resume_gateway_url"] == url
        await wire.socket.close()
    await runner.cleanup()


async def test_many_streams_are_served_at_once() -> None:
    """150 messages growing at the same time, each in its thread, as fast as the buckets allow."""
    quick = Rate(1000, 1)
    async with DiscordEmulator(
        limits=Limits(create=quick, edit=quick, other=quick, global_=Rate(10**6, 1))
    ).running() as emulator:
        headers = {"Authorization": f"Bot {emulator.bot_token}"}
        threads = [await emulator.open_thread("ada", "general", str(n)) for n in range(150)]
        async with aiohttp.ClientSession(trust_env=False, headers=headers) as session:

            async def stream(channel_id: int) -> None:
                url = f"{emulator.api_url}/channels/{channel_id}/messages"
                async with session.post(url, json={"content": "0"}) as answer:
                    message_id = (await answer.json())["id"]
                for number in range(1, 6):
                    async with session.patch(f"{url}/{message_id}", json={"content": str(number)}) as answer:
                        assert answer.status == 200

            await asyncio.gather(*(stream(thread.id) for thread in threads))
        assert {emulator.messages(thread)[-1].content for thread in threads} == {"5"}


async def test_identifying_too_often_is_an_invalid_session() -> None:
    """Processes that start together must take turns."""
    async with (
        DiscordEmulator(limits=Limits(identify_every_s=5.0)).running() as emulator,
        aiohttp.ClientSession(trust_env=False) as session,
    ):
        first, second = [Wire(await session.ws_connect(emulator.gateway_url)) for _ in range(2)]
        await first.identify(emulator.bot_token)
        await first.until("READY")
        await second.read()
        await second.identify(emulator.bot_token)
        assert (await second.read())["op"] == 9
        await emulator.advance(5.0)
        await second.identify(emulator.bot_token)
        assert (await second.until("READY"))["v"] == 10
