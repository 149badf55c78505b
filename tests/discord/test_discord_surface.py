"""What the surface puts on the wire, and what it makes of the answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from adapters.discord import _rest
from adapters.discord._rest import Rest
from adapters.discord.origin import Asked, ThreadStart, encode
from adapters.discord.surface import DiscordSurface
from core.chat import (
    Bucket,
    Draws,
    MessageGone,
    MessageRef,
    NotPermitted,
    Placement,
    PlacementGone,
    Rate,
    RateLimited,
    Segment,
    Surface,
    SurfaceUnavailable,
    ThreadId,
    Window,
)

NOW = 1_700_000_000.0
IN_THREAD = Placement(ThreadId("discord:10:30"))
MENTION = Placement(ThreadId("discord:10:55"), encode(ThreadStart("20", "55", "a question")))
STOP = "discord:10:55#3"


def asked(bot_may_post: bool = True, at: float = NOW) -> Placement:
    origin = Asked("901", "tok", at, "66", "20", bot_may_post)
    return Placement(ThreadId("discord:10:66"), encode(origin))


@dataclass(frozen=True)
class Call:
    """One request as it arrived. body: its JSON, {} for none."""

    method: str
    path: str
    body: dict[str, object]
    authorization: str | None


@dataclass
class Answer:
    """What to answer with. hang_up: take the call, then close the connection without a word."""

    status: int = 200
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False


@dataclass
class Wire:
    """answers: by "METHOD /path", used up one by one; without one a call succeeds with a message of id 777."""

    url: str = ""
    calls: list[Call] = field(default_factory=list)
    answers: dict[str, list[Answer]] = field(default_factory=dict)

    def on(self, route: str, *answers: Answer) -> None:
        self.answers.setdefault(route, []).extend(answers)

    def refuse(self, route: str, status: int, code: int) -> None:
        self.on(route, Answer(status, {"code": code, "message": "no"}))

    def sent(self) -> list[str]:
        return [f"{call.method} {call.path}" for call in self.calls]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        body = json.loads(raw) if raw else {}
        call = Call(request.method, request.path, body, request.headers.get("Authorization"))
        self.calls.append(call)
        waiting = self.answers.get(f"{call.method} {call.path}", [])
        created = {"id": "777", "content": body.get("content", ""), "components": body.get("components"), "flags": 0}
        answer = waiting.pop(0) if waiting else Answer(200, created)
        if answer.hang_up and request.transport is not None:
            request.transport.close()
        if answer.status == 204:
            return web.Response(status=204)
        if isinstance(answer.body, str):
            return web.Response(status=answer.status, text=answer.body, headers=answer.headers)
        raw_answer = json.dumps(answer.body).encode()
        headers = {"Content-Type": "application/json", **answer.headers}
        return web.Response(status=answer.status, body=raw_answer, headers=headers)


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    wire = Wire()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", wire.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    wire.url = f"http://{host}:{port}"
    yield wire
    await runner.cleanup()


@pytest.fixture
async def rest(wire: Wire) -> AsyncIterator[Rest]:
    rest = Rest(wire.url, "secret")
    await rest.open()
    yield rest
    await rest.aclose()


@pytest.fixture
def surface(rest: Rest) -> DiscordSurface:
    return DiscordSurface(rest, now=lambda: NOW)


def answer(status: int = 200, body: object = None, **headers: str) -> Answer:
    return Answer(status, body, {key.replace("_", "-"): value for key, value in headers.items()})


async def test_a_mention_is_answered_in_a_new_thread(surface: DiscordSurface, wire: Wire) -> None:
    """The thread is made once; every post pings nobody, unfolds nothing and can be repeated safely."""
    port: Surface = surface
    await port.open(MENTION)
    ref = await port.post(MENTION, Segment("**hi** @everyone", STOP), "key-1")
    assert wire.sent() == ["POST /channels/20/messages/55/threads", "POST /channels/55/messages"]
    assert wire.calls[0].body == {"name": "a question", "auto_archive_duration": 1440}
    assert wire.calls[1].body == {
        "content": "**hi** @everyone",
        "allowed_mentions": {"parse": [], "replied_user": False},
        "flags": 4,
        "components": [
            {
                "type": 1,
                "components": [{"type": 2, "style": 2, "label": "Stop", "custom_id": f"parley:stop:{STOP}"}],
            }
        ],
        "nonce": "key-1",
        "enforce_nonce": True,
    }
    assert wire.calls[1].authorization == "Bot secret"
    assert ref == MessageRef("55", "777")
    await port.edit(MENTION, ref, Segment("done"))
    assert wire.calls[2].body == {
        "content": "done",
        "allowed_mentions": {"parse": [], "replied_user": False},
        "flags": 4,
        "components": [],
    }
    assert [bucket.name for bucket in port.draws("edit", MENTION).buckets] == ["55:edit", "global"]
    assert await port.find(MENTION, "key-1") is None


async def test_a_thread_that_exists_is_used(surface: DiscordSurface, wire: Wire) -> None:
    """Another process, or a person, may have opened it before us."""
    wire.refuse("POST /channels/20/messages/55/threads", 400, 160004)
    assert await surface.post(MENTION, Segment("hi"), "k") == MessageRef("55", "777")


@pytest.mark.parametrize(("status", "code"), [(403, 50013), (400, 160006), (404, 10008), (400, 50024)])
async def test_without_a_thread_the_answer_is_a_reply(
    surface: DiscordSurface, wire: Wire, status: int, code: int
) -> None:
    """A channel that allows no thread still gets its answer, and the refusal is not provoked again."""
    wire.refuse("POST /channels/20/messages/55/threads", status, code)
    await surface.open(MENTION)
    ref = await surface.post(MENTION, Segment("hi"), "k")
    await surface.post(MENTION, Segment("more"), "k2")
    assert ref == MessageRef("20", "777")
    assert wire.sent().count("POST /channels/20/messages/55/threads") == 1
    assert wire.calls[-1].body["message_reference"] == {"message_id": "55", "fail_if_not_exists": False}
    assert surface.draws("post", MENTION).buckets[0].name == "20:post"


async def test_a_thread_we_may_not_speak_in_is_left_for_the_channel(surface: DiscordSurface, wire: Wire) -> None:
    """Creating threads and sending in them are two permissions."""
    wire.refuse("POST /channels/55/messages", 403, 50013)
    assert await surface.post(MENTION, Segment("hi"), "k") == MessageRef("20", "777")


async def test_a_deleted_channel_is_gone(surface: DiscordSurface, wire: Wire) -> None:
    """Nothing can be shown there any more."""
    wire.refuse("POST /channels/30/messages", 404, 10003)
    with pytest.raises(PlacementGone):
        await surface.post(IN_THREAD, Segment("hi"), "k")


async def test_an_archived_thread_is_opened_once_for_an_edit(surface: DiscordSurface, wire: Wire) -> None:
    """Posting wakes a thread by itself, editing does not."""
    ref = MessageRef("30", "5")
    wire.refuse("PATCH /channels/30/messages/5", 400, 50083)
    await surface.edit(IN_THREAD, ref, Segment("hi"))
    assert wire.sent() == ["PATCH /channels/30/messages/5", "PATCH /channels/30", "PATCH /channels/30/messages/5"]
    wire.refuse("PATCH /channels/30/messages/5", 400, 50083)
    wire.refuse("PATCH /channels/30/messages/5", 400, 50083)
    with pytest.raises(PlacementGone):
        await surface.edit(IN_THREAD, ref, Segment("hi"))


async def test_a_deleted_message_is_gone_and_deleting_it_again_is_no_error(surface: DiscordSurface, wire: Wire) -> None:
    """A moderator was faster."""
    ref = MessageRef("30", "5")
    wire.refuse("PATCH /channels/30/messages/5", 404, 10008)
    with pytest.raises(MessageGone):
        await surface.edit(IN_THREAD, ref, Segment("hi"))
    wire.refuse("DELETE /channels/30/messages/5", 404, 10008)
    await surface.delete(IN_THREAD, ref)


async def test_after_a_429_nothing_is_sent_until_discord_allows_it(surface: DiscordSurface, wire: Wire) -> None:
    """Requests while a limit runs count towards a ban; other channels go on."""
    ref = MessageRef("30", "5")
    limited = answer(429, {"message": "slow down", "retry_after": 9.5, "global": False})
    wire.on("PATCH /channels/30/messages/5", limited)
    for _ in range(2):
        with pytest.raises(RateLimited) as caught:
            await surface.edit(IN_THREAD, ref, Segment("hi"))
        assert 9 < caught.value.retry_after_s <= 9.5
    assert len(wire.calls) == 1
    await surface.edit(IN_THREAD, MessageRef("31", "5"), Segment("hi"))
    assert len(wire.calls) == 2


async def test_a_global_limit_silences_everything(surface: DiscordSurface, wire: Wire) -> None:
    """It is the bot's, not the channel's."""
    limited = answer(429, {"message": "slow down", "retry_after": 3, "global": True})
    wire.on("POST /channels/30/messages", limited)
    with pytest.raises(RateLimited):
        await surface.post(IN_THREAD, Segment("hi"), "k")
    with pytest.raises(RateLimited) as caught:
        await surface.edit(IN_THREAD, MessageRef("31", "5"), Segment("hi"))
    assert len(wire.calls) == 1
    assert caught.value.bucket == surface.draws("edit", IN_THREAD).buckets[-1].name == "global"


async def test_an_empty_bucket_is_left_alone(surface: DiscordSurface, wire: Wire) -> None:
    """The headers of a success already say when the next call may be made."""
    last = answer(200, {"id": "1"}, X_RateLimit_Remaining="0", X_RateLimit_Reset_After="4.5")
    wire.on("POST /channels/30/messages", last)
    await surface.post(IN_THREAD, Segment("hi"), "k")
    with pytest.raises(RateLimited):
        await surface.post(IN_THREAD, Segment("hi"), "k2")


async def test_the_size_of_a_bucket_is_learned_from_the_headers(surface: DiscordSurface, wire: Wire) -> None:
    """Only the headers are binding: a smaller bucket is used with more care from the next call on."""
    before = surface.draws("edit", IN_THREAD).buckets[0].quota
    told = answer(200, {"id": "1"}, X_RateLimit_Limit="2", X_RateLimit_Remaining="1", X_RateLimit_Reset_After="1")
    wire.on("PATCH /channels/30/messages/5", told)
    await surface.edit(IN_THREAD, MessageRef("30", "5"), Segment("hi"))
    learned = surface.draws("edit", IN_THREAD).buckets[0].quota
    assert isinstance(before, Rate) and isinstance(learned, Rate)
    assert learned.burst < 2 < before.burst and learned.per_s < before.per_s
    assert surface.draws("post", IN_THREAD).buckets[0].quota == before, "posts have a bucket of their own"


async def test_what_goes_by_an_interaction_draws_on_that_alone(surface: DiscordSurface) -> None:
    """Calls with an interaction's token do not count to the bot's fifty a second."""
    assert [bucket.name for bucket in surface.draws("edit", asked()).buckets] == ["interaction:66"]
    assert [bucket.name for bucket in surface.draws("edit", IN_THREAD).buckets] == ["30:edit", "global"]


async def test_an_answer_to_ask_that_goes_on_in_posts_draws_on_those_of_the_channel(
    surface: DiscordSurface, wire: Wire
) -> None:
    """They are the bot's own, without the interaction's token."""
    wire.on("GET /webhooks/901/tok/messages/@original", answer(200, {"id": "66", "flags": 1 << 7}))
    await surface.post(asked(), Segment("one"), "k0")
    assert surface.draws("edit", asked()).buckets[0].name == "interaction:66"
    await surface.post(asked(), Segment("two"), "k1")
    assert [call.path for call in wire.calls if call.method == "POST"] == ["/channels/20/messages"]
    assert [bucket.name for bucket in surface.draws("edit", asked()).buckets] == ["20:edit", "global"]


async def test_too_many_invalid_requests_silence_the_process(
    surface: DiscordSurface, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10,000 of them in ten minutes and Discord shuts the address out, with every bot behind it."""
    monkeypatch.setattr(_rest, "INVALID", Draws("discord", (Bucket("invalid", Window(3, 600.0)),)))
    for _ in range(4):
        wire.refuse("PATCH /channels/30/messages/5", 403, 50013)
        with pytest.raises(NotPermitted):
            await surface.edit(IN_THREAD, MessageRef("30", "5"), Segment("hi"))
    with pytest.raises(RateLimited) as caught:
        await surface.edit(IN_THREAD, MessageRef("30", "6"), Segment("hi"))
    assert 590 < caught.value.retry_after_s <= 600 and caught.value.bucket == "global"
    assert len(wire.calls) == 4


async def test_a_block_before_the_api_is_waited_out_for_minutes(surface: DiscordSurface, wire: Wire) -> None:
    """A 429 that is a web page comes from the wall that blocks whole addresses."""
    wire.on("POST /channels/30/messages", answer(429, "<html>banned</html>"))
    with pytest.raises(RateLimited) as caught:
        await surface.post(IN_THREAD, Segment("hi"), "k")
    assert caught.value.retry_after_s >= 600


async def test_no_answer_is_told_apart_from_a_refusal(surface: DiscordSurface, wire: Wire) -> None:
    """Whether it took effect is unknown, so the same post must be tried again with the same nonce."""
    wire.on("POST /channels/30/messages", Answer(hang_up=True), Answer(503, "upstream"))
    for _ in range(2):
        with pytest.raises(SurfaceUnavailable):
            await surface.post(IN_THREAD, Segment("hi"), "k")
    await surface.post(IN_THREAD, Segment("hi"), "k")
    assert {call.body["nonce"] for call in wire.calls} == {"k"}


async def test_a_repeated_post_that_has_grown_is_brought_up_to_date(surface: DiscordSurface, wire: Wire) -> None:
    """Discord answers a known nonce with the message it has, which shows the text of the first attempt."""
    earlier = answer(200, {"id": "5", "content": "one", "components": []})
    wire.on("POST /channels/30/messages", earlier)
    assert await surface.post(IN_THREAD, Segment("one two"), "k") == MessageRef("30", "5")
    assert wire.sent() == ["POST /channels/30/messages", "PATCH /channels/30/messages/5"]
    assert wire.calls[1].body["content"] == "one two"


async def test_a_missing_permission_comes_with_a_hint(surface: DiscordSurface, wire: Wire) -> None:
    """The log must say which box to tick."""
    wire.refuse("POST /channels/30/messages", 403, 50001)
    with pytest.raises(NotPermitted) as caught:
        await surface.post(IN_THREAD, Segment("hi"), "k")
    assert "Send Messages in Threads" in caught.value.hint


async def test_a_caller_that_gives_up_does_not_cut_the_call_off(surface: DiscordSurface, wire: Wire) -> None:
    """A call half made may still land, so the next edit of that message goes out after it."""
    ref = MessageRef("30", "5")
    first = asyncio.create_task(surface.edit(IN_THREAD, ref, Segment("old")))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await surface.edit(IN_THREAD, ref, Segment("new"))
    assert [call.body["content"] for call in wire.calls] == ["old", "new"]
    await surface.aclose()


async def test_the_answer_to_ask_fills_the_response(surface: DiscordSurface, wire: Wire) -> None:
    """By the interaction's token first, which needs no permission; more Segments carry a nonce in the channel."""
    place = asked()
    loading = answer(200, {"id": "66", "content": "", "flags": 128})
    wire.on("GET /webhooks/901/tok/messages/@original", loading)
    await surface.open(place)
    first = await surface.post(place, Segment("one", STOP), "k1")
    again = await surface.post(place, Segment("one", STOP), "k1")
    second = await surface.post(place, Segment("two"), "k2")
    await surface.edit(place, first, Segment("one."))
    await surface.edit(place, second, Segment("two."))
    assert first == again == MessageRef("20", "66")
    assert second == MessageRef("20", "777")
    assert wire.sent() == [
        "GET /webhooks/901/tok/messages/@original",
        "PATCH /webhooks/901/tok/messages/@original",
        "PATCH /webhooks/901/tok/messages/@original",
        "POST /channels/20/messages",
        "PATCH /webhooks/901/tok/messages/66",
        "PATCH /channels/20/messages/777",
    ]
    assert wire.calls[1].authorization is None
    assert wire.calls[1].body["flags"] == 4
    assert wire.calls[3].body["message_reference"] == {"message_id": "66", "fail_if_not_exists": False}


async def test_where_only_a_person_installed_us_all_goes_by_the_token(surface: DiscordSurface, wire: Wire) -> None:
    """The bot is not in that channel and has no other way to speak there."""
    place = asked(bot_may_post=False)
    await surface.post(place, Segment("one"), "k1")
    second = await surface.post(place, Segment("two"), "k2")
    await surface.edit(place, second, Segment("two."))
    assert wire.sent()[-2:] == ["POST /webhooks/901/tok", "PATCH /webhooks/901/tok/messages/777"]


@pytest.mark.parametrize("expired", [True, False])
async def test_a_token_that_has_run_out_is_replaced_by_the_bots_own(rest: Rest, wire: Wire, expired: bool) -> None:
    """Tokens live for 15 minutes, answers may take longer; a refused token is not tried again."""
    surface = DiscordSurface(rest, now=lambda: NOW)
    place = asked(at=NOW - (14 * 60 if expired else 0))
    if not expired:
        wire.refuse("PATCH /webhooks/901/tok/messages/66", 401, 50027)
    for _ in range(2):
        await surface.edit(place, MessageRef("20", "66"), Segment("late"))
    tried = [] if expired else ["PATCH /webhooks/901/tok/messages/66"]
    assert wire.sent() == [*tried, *["PATCH /channels/20/messages/66"] * 2]


async def test_another_process_does_not_overwrite_a_finished_first_segment(rest: Rest, wire: Wire) -> None:
    """It cannot know which Segment filled the response, so it looks: finished text without a button is left alone."""
    place = asked()
    finished = answer(200, {"id": "66", "content": "one", "flags": 4, "components": []})
    wire.on("GET /webhooks/901/tok/messages/@original", finished)
    ref = await DiscordSurface(rest, now=lambda: NOW).post(place, Segment("two"), "k2")
    assert ref == MessageRef("20", "777")
    growing = answer(200, {"id": "66", "content": "on", "flags": 4, "components": [{"type": 1}]})
    wire.on("GET /webhooks/901/tok/messages/@original", growing)
    ref = await DiscordSurface(rest, now=lambda: NOW).post(place, Segment("one two"), "k1")
    assert ref == MessageRef("20", "66")


async def test_typing_is_shown_where_the_answer_will_be(surface: DiscordSurface, wire: Wire) -> None:
    """Discord takes it away by itself."""
    await surface.status(IN_THREAD, "is thinking…")
    await surface.status(IN_THREAD, "")
    await surface.status(asked(), "is thinking…")
    assert wire.sent() == ["POST /channels/30/typing"]


async def test_a_line_below_the_text_is_small(surface: DiscordSurface, wire: Wire) -> None:
    await surface.post(IN_THREAD, Segment("It is 7.", aside="gpt · 1 s"), "k")
    await surface.edit(IN_THREAD, MessageRef("30", "777"), Segment("", aside="_Thinking…_"))
    assert [call.body["content"] for call in wire.calls] == ["It is 7.\n-# gpt · 1 s", "_Thinking…_"]
