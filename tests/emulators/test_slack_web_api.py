"""Each rule of the emulated Web API, through the unmodified AsyncWebClient."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.emulators.clock import Clock
from adapters.emulators.slack import Message, RateLimits, Settings, SlackEmulator

GENERAL = "C0EMUGENERAL"
RANDOM = "C0EMURANDOM"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def emulator() -> AsyncIterator[SlackEmulator]:
    async with SlackEmulator(
        Clock(1_712_345_678.0, frozen=True), rate_limits=RateLimits(enforced=False)
    ).running() as it:
        yield it


@pytest.fixture
async def client(emulator: SlackEmulator) -> AsyncIterator[AsyncWebClient]:
    async with aiohttp.ClientSession(trust_env=False) as session:
        yield AsyncWebClient(token=emulator.bot_token, base_url=emulator.api_url, session=session, retry_handlers=[])


async def refusal(call: Awaitable[Any]) -> dict[str, Any]:
    """Make a call that must be refused and return the answer."""
    with pytest.raises(SlackApiError) as caught:
        await call
    answer = caught.value.response.data
    assert isinstance(answer, dict)
    return answer


async def error(call: Awaitable[Any]) -> str:
    return str((await refusal(call))["error"])


async def posted(emulator: SlackEmulator, client: AsyncWebClient, **args: Any) -> Message:
    answer = await client.chat_postMessage(channel=GENERAL, **args)
    message = emulator.workspace.message(GENERAL, answer["ts"])
    assert message is not None
    return message


def section(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, **more}}


def actions(*elements: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"type": "actions", "elements": list(elements)}]


def button(**changes: Any) -> dict[str, Any]:
    return {"type": "button", "action_id": "a", "text": {"type": "plain_text", "text": "Go"}, **changes}


async def test_auth_test_says_who_the_token_is_and_which_scopes_it_has(
    emulator: SlackEmulator, client: AsyncWebClient
) -> None:
    """A preflight reads the granted scopes from the x-oauth-scopes header."""
    answer = await client.auth_test()
    assert answer["user_id"] == emulator.bot_user_id
    assert answer["bot_id"] == emulator.bot_id
    assert set(answer.headers["x-oauth-scopes"].split(",")) == emulator.settings.scopes


@pytest.mark.parametrize(
    ("state", "expected"),
    [("revoked", "token_revoked"), ("expired", "token_expired"), ("inactive", "account_inactive")],
)
async def test_a_token_that_no_longer_works_says_why(
    emulator: SlackEmulator, client: AsyncWebClient, state: Any, expected: str
) -> None:
    """An operator must be told what to change."""
    emulator.set_token_state(state)
    assert await error(client.auth_test()) == expected


async def test_tokens_are_checked_for_presence_validity_and_kind(
    emulator: SlackEmulator, client: AsyncWebClient
) -> None:
    """Swapping bot and app token is the most common mistake in setting up."""
    assert await error(client.auth_test(token="xoxb-wrong")) == "invalid_auth"
    assert await error(client.auth_test(token=emulator.app_token)) == "not_allowed_token_type"
    assert await error(client.apps_connections_open(app_token=emulator.bot_token)) == "not_allowed_token_type"
    async with aiohttp.ClientSession(trust_env=False) as session, session.get(emulator.api_url + "auth.test") as answer:
        assert (await answer.json())["error"] == "not_authed"


async def test_a_method_without_its_scope_names_the_scope(emulator: SlackEmulator, client: AsyncWebClient) -> None:
    """missing_scope says what is needed and what was provided."""
    emulator.settings.scopes.discard("users:read")
    answer = await refusal(client.users_info(user="U0EMUADA"))
    assert (answer["error"], answer["needed"]) == ("missing_scope", "users:read")
    assert "chat:write" in answer["provided"].split(",")
    emulator.settings.scopes.discard("im:history")
    answer = await refusal(client.conversations_history(channel=emulator.dm("ada")))
    assert (answer["error"], answer["needed"]) == ("missing_scope", "im:history")


async def test_unknown_methods_are_refused(client: AsyncWebClient) -> None:
    """A client may fall back when a workspace does not know a method."""
    assert await error(client.api_call("chat.noSuchThing")) == "unknown_method"


async def test_form_json_and_query_arguments_are_the_same_call(emulator: SlackEmulator) -> None:
    """Slack takes all three, and the token in the header or as an argument."""
    arguments = {"channel": GENERAL, "text": "hi", "token": emulator.bot_token}
    url = emulator.api_url + "chat.postMessage"
    async with aiohttp.ClientSession(trust_env=False) as session:
        for sent in ({"data": arguments}, {"json": arguments}, {"params": arguments}):
            async with session.post(url, **sent) as answer:  # type: ignore[arg-type]
                assert (await answer.json())["ok"]
        async with session.get(url, params=arguments) as answer:
            assert (await answer.json())["ok"]
    assert [call.args["text"] for call in emulator.calls("chat.postMessage")] == ["hi"] * 4
    assert len(emulator.bot_messages("general")) == 4


async def test_post_refuses_what_it_cannot_place(emulator: SlackEmulator, client: AsyncWebClient) -> None:
    """Each place that is not there, not open, or not ours has its own error."""
    post = client.chat_postMessage
    assert await error(post(channel="C404", text="x")) == "channel_not_found"
    assert await error(post(channel=RANDOM, text="x")) == "not_in_channel"
    assert await error(post(channel=GENERAL, text="x", thread_ts="nonsense")) == "invalid_thread_ts"
    emulator.settings.lost_threads = "refuse"
    assert await error(post(channel=GENERAL, text="x", thread_ts="1712345600.000100")) == "thread_not_found"
    assert await error(client.api_call("chat.postMessage", json={"channel": GENERAL})) == "no_text"
    root = await posted(emulator, client, text="root")
    reply = await posted(emulator, client, text="reply", thread_ts=root.ts)
    assert await error(post(channel=GENERAL, text="x", thread_ts=reply.ts)) == "cannot_reply_to_message"
    emulator.workspace.channels[GENERAL].is_archived = True
    assert await error(post(channel=GENERAL, text="x")) == "is_archived"
    secret = emulator.add_channel("secret", ["ada"], kind="group")
    assert await error(post(channel=secret.id, text="x")) == "channel_not_found"


async def test_a_post_to_a_deleted_thread_comes_out_in_the_channel(
    emulator: SlackEmulator, client: AsyncWebClient
) -> None:
    """Measured on live workspaces: no error, only an answer without thread_ts. A root with replies stays one."""
    question = await emulator.say("ada", "general", "never mind")
    kept = await emulator.say("ada", "general", "go on")
    await posted(emulator, client, text="first part", thread_ts=kept.ts)
    await emulator.delete_message(question)
    await emulator.delete_message(kept)
    stray = await client.chat_postMessage(channel=GENERAL, text="answer", thread_ts=question.ts)
    assert "thread_ts" not in stray["message"]
    threaded = await client.chat_postMessage(channel=GENERAL, text="second part", thread_ts=kept.ts)
    assert threaded["message"]["thread_ts"] == kept.ts
    thread = (await client.conversations_replies(channel=GENERAL, ts=kept.ts))["messages"]
    assert [one["text"] for one in thread] == ["This message was deleted.", "first part", "second part"]
    told = [one.payload["event"] for one in emulator.deliveries("message") if "subtype" in one.payload["event"]]
    assert [event["subtype"] for event in told] == ["message_deleted", "message_changed"]
    assert told[1]["message"]["subtype"] == "tombstone"
    assert told[1]["previous_message"]["text"] == "go on"


async def test_a_post_to_a_person_lands_in_their_direct_message(
    emulator: SlackEmulator, client: AsyncWebClient
) -> None:
    """A user id is accepted as channel."""
    answer = await client.chat_postMessage(channel="U0EMUADA", text="hello")
    assert answer["channel"] == emulator.dm("ada")


async def test_long_text_is_cut_by_post_and_refused_by_update(emulator: SlackEmulator, client: AsyncWebClient) -> None:
    """40,000 and 4,000: an answer that was posted whole may be impossible to edit."""
    message = await posted(emulator, client, text="x" * 40_005)
    assert len(message.text) == 40_000
    await client.chat_update(channel=GENERAL, ts=message.ts, text="y" * 4_000)
    assert await error(client.chat_update(channel=GENERAL, ts=message.ts, text="y" * 4_001)) == "msg_too_long"
    assert await error(client.chat_update(channel=GENERAL, ts=message.ts, text="é" * 2_001)) == "msg_too_long"
    assert message.text == "y" * 4_000


async def test_markdown_text_has_its_own_limit_and_excludes_text(
    emulator: SlackEmulator, client: AsyncWebClient
) -> None:
    """12,000 characters, alone."""
    message = await posted(emulator, client, markdown_text="**a**" + "x" * 11_995)
    assert message.visible.startswith("**a**")
    assert await error(client.chat_postMessage(channel=GENERAL, markdown_text="x" * 12_001)) == "msg_too_long"
    for conflicting in ({"text": "a"}, {"blocks": [section("a")]}):
        call = client.chat_postMessage(channel=GENERAL, markdown_text="b", **conflicting)
        assert await error(call) == "markdown_text_conflict"
    await client.chat_update(channel=GENERAL, ts=message.ts, markdown_text="z" * 12_000)
    assert message.visible == "z" * 12_000


@pytest.mark.parametrize(
    ("blocks", "pointer"),
    [
        ([{"type": "divider"}] * 51, "no more than 50 items allowed [json-pointer:/blocks]"),
        ([section("x" * 3001)], "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"),
        ([section("")], "must be more than 0 characters [json-pointer:/blocks/0/text/text]"),
        (
            [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}],
            "must be less than 151 characters [json-pointer:/blocks/0/text/text]",
        ),
        (
            actions(*(button(action_id=str(number)) for number in range(26))),
            "no more than 25 items allowed [json-pointer:/blocks/0/elements]",
        ),
        (
            actions(button(text={"type": "plain_text", "text": "x" * 76})),
            "must be less than 76 characters [json-pointer:/blocks/0/elements/0/text/text]",
        ),
        (
            actions(button(action_id="x" * 256)),
            "must be less than 256 characters [json-pointer:/blocks/0/elements/0/action_id]",
        ),
        (
            actions(button(value="x" * 2001)),
            "must be less than 2001 characters [json-pointer:/blocks/0/elements/0/value]",
        ),
        ([{"type": "nonsense"}], "unsupported type: nonsense [json-pointer:/blocks/0/type]"),
        (
            [{"type": "table", "rows": [[{"type": "raw_text", "text": ""}]]}],
            "must be more than 0 characters [json-pointer:/blocks/0/rows/0/0/text]",
        ),
        ([{"type": "markdown", "text": "x" * 12_001}], "must be less than 12001 characters"),
        (
            [{"type": "image", "image_url": "https://example.com/a.png"}],
            "missing required field: alt_text [json-pointer:/blocks/0]",
        ),
    ],
)
async def test_invalid_blocks_are_pointed_at(
    client: AsyncWebClient, blocks: list[dict[str, Any]], pointer: str
) -> None:
    """The message in response_metadata says which block and why."""
    answer = await refusal(client.chat_postMessage(channel=GENERAL, text="x", blocks=blocks))
    assert answer["error"] == "invalid_blocks"
    assert answer["response_metadata"]["messages"][0].startswith(f"[ERROR] {pointer}")


async def test_blocks_together_have_a_limit_too(client: AsyncWebClient) -> None:
    """Each block fits and the whole does not."""
    post = client.chat_postMessage
    many = [section("x" * 2_700)] * 5
    assert await error(post(channel=GENERAL, text="x", blocks=many)) == "msg_blocks_too_long"
    markdown = [{"type": "markdown", "text": "x" * 6_001}] * 2
    assert await error(post(channel=GENERAL, text="x", blocks=markdown)) == "msg_blocks_too_long"
    assert await error(post(channel=GENERAL, text="x", blocks="{oops")) == "invalid_blocks_format"


async def test_metadata_is_checked_kept_and_given_back_on_request(
    emulator: SlackEmulator, client: AsyncWebClient
) -> None:
    """A marker in metadata is how a repeated post finds out that the first one arrived."""
    marker = {"event_type": "parley_turn", "event_payload": {"turn": "t1"}}
    message = await posted(emulator, client, text="x", metadata=marker)
    found = await client.conversations_history(channel=GENERAL, include_all_metadata=True)
    assert found["messages"][0]["metadata"] == marker
    assert "metadata" not in (await client.conversations_history(channel=GENERAL))["messages"][0]
    big = {"event_type": "x", "event_payload": {"big": "x" * 20_000}}
    post = client.chat_postMessage
    assert await error(post(channel=GENERAL, text="x", metadata=big)) == "metadata_too_large"
    assert await error(post(channel=GENERAL, text="x", metadata={"a": 1})) == "invalid_metadata_schema"
    assert message.metadata == marker


async def test_update_is_refused_for_others_gone_and_frozen_messages(
    emulator: SlackEmulator, client: AsyncWebClient
) -> None:
    """What can happen to an answer between two edits."""
    theirs = await emulator.say("ada", "general", "mine")
    ours = await posted(emulator, client, text="ours")
    update = client.chat_update
    assert await error(update(channel=GENERAL, ts=theirs.ts, text="x")) == "cant_update_message"
    assert await error(client.chat_delete(channel=GENERAL, ts=theirs.ts)) == "cant_delete_message"
    assert await error(update(channel=GENERAL, ts="1712345600.000100", text="x")) == "message_not_found"
    assert await error(client.api_call("chat.update", json={"channel": GENERAL, "ts": ours.ts})) == "no_text"
    emulator.settings.edits_allowed = False
    assert await error(update(channel=GENERAL, ts=ours.ts, text="x")) == "edit_window_closed"
    emulator.settings.edits_allowed = True
    await emulator.delete_message(ours)
    assert await error(update(channel=GENERAL, ts=ours.ts, text="x")) == "message_not_found"
    assert await error(client.chat_delete(channel=GENERAL, ts=ours.ts)) == "message_not_found"
    other = await posted(emulator, client, text="other")
    emulator.workspace.channels[GENERAL].is_archived = True
    assert await error(update(channel=GENERAL, ts=other.ts, text="x")) == "is_inactive"


async def test_update_keeps_blocks_it_does_not_speak_of(emulator: SlackEmulator, client: AsyncWebClient) -> None:
    """Going from blocks to text takes `blocks=[]`; the growth stays in the message's history."""
    message = await posted(emulator, client, text="a", blocks=[section("old")])
    await client.chat_update(channel=GENERAL, ts=message.ts, text="b")
    assert message.visible == "old"
    await client.chat_update(channel=GENERAL, ts=message.ts, text="c", blocks=[])
    assert message.visible == "c"
    assert [shown.visible for shown in message.history] == ["old", "old", "c"]
    assert message.edited is not None


async def test_timestamps_are_unique_and_increasing_though_time_stands_still(
    emulator: SlackEmulator, client: AsyncWebClient
) -> None:
    """A ts is an id; two messages of one moment have two."""
    stamps = [(await posted(emulator, client, text="x")).ts for _ in range(5)]
    assert stamps == sorted(set(stamps))
    assert stamps[0] == "1712345678.000100" or stamps[0].startswith("1712345678.")


async def test_an_ephemeral_needs_both_in_the_channel(emulator: SlackEmulator, client: AsyncWebClient) -> None:
    """Only members see it, and only where the app is."""
    whisper = client.chat_postEphemeral
    await whisper(channel=GENERAL, user="U0EMUBEN", text="psst")
    assert [note.text for note in emulator.ephemerals("ben")] == ["psst"]
    assert emulator.messages("general") == []
    stranger = emulator.add_user("stranger")
    assert await error(whisper(channel=GENERAL, user=stranger.id, text="x")) == "user_not_in_channel"
    assert await error(whisper(channel=RANDOM, user="U0EMUBEN", text="x")) == "not_in_channel"


async def test_reactions_are_counted_once_a_person(emulator: SlackEmulator, client: AsyncWebClient) -> None:
    """already_reacted, no_reaction, and what reactions.get tells."""
    message = await emulator.say("ada", "general", "hi")
    add, remove = client.reactions_add, client.reactions_remove
    await add(channel=GENERAL, timestamp=message.ts, name="eyes")
    assert await error(add(channel=GENERAL, timestamp=message.ts, name="eyes")) == "already_reacted"
    assert await error(add(channel=GENERAL, timestamp=message.ts, name="NO NAME")) == "invalid_name"
    assert await error(add(channel=GENERAL, timestamp="x", name="eyes")) == "bad_timestamp"
    assert await error(add(channel=GENERAL, timestamp="1712345600.000100", name="eyes")) == "message_not_found"
    got = await client.reactions_get(channel=GENERAL, timestamp=message.ts)
    assert got["message"]["reactions"] == [{"name": "eyes", "users": [emulator.bot_user_id], "count": 1}]
    await remove(channel=GENERAL, timestamp=message.ts, name="eyes")
    assert await error(remove(channel=GENERAL, timestamp=message.ts, name="eyes")) == "no_reaction"


async def test_history_leaves_replies_out_and_replies_brings_them(
    emulator: SlackEmulator, client: AsyncWebClient
) -> None:
    """History is newest first and without replies; a thread is oldest first with its root; both page."""
    root = await emulator.say("ada", "general", "root")
    for number in range(3):
        await emulator.say("ben", "general", f"reply {number}", thread_ts=root.ts)
    await emulator.say("ada", "general", "last")
    history = await client.conversations_history(channel=GENERAL)
    assert [one["text"] for one in history["messages"]] == ["last", "root"]
    assert history["messages"][1]["reply_count"] == 3
    texts: list[str] = []
    async for page in await client.conversations_replies(channel=GENERAL, ts=root.ts, limit=2):
        texts += [one["text"] for one in page["messages"]]
    assert texts == ["root", "reply 0", "reply 1", "reply 2"]
    assert await error(client.conversations_replies(channel=GENERAL, ts="1712345600.000100")) == "thread_not_found"
    assert await error(client.conversations_history(channel=RANDOM)) == "not_in_channel"
    assert await error(client.conversations_history(channel=GENERAL, cursor="!!")) == "invalid_cursor"


async def test_people_channels_and_team_are_told(emulator: SlackEmulator, client: AsyncWebClient) -> None:
    """The look-ups a bot makes: who is admin, who is a guest, where am I."""
    ada = (await client.users_info(user="U0EMUADA"))["user"]
    assert (ada["is_admin"], ada["is_owner"], ada["is_bot"]) == (True, True, False)
    assert (await client.users_info(user="U0EMUCLEO"))["user"]["is_restricted"]
    assert await error(client.users_info(user="U404")) == "user_not_found"
    assert len((await client.users_list())["members"]) == 5
    assert [one["name"] for one in (await client.users_conversations())["channels"]] == ["general"]
    assert [one["name"] for one in (await client.conversations_list())["channels"]] == ["general", "random"]
    assert emulator.bot_user_id in (await client.conversations_members(channel=GENERAL))["members"]
    assert (await client.conversations_info(channel=GENERAL))["channel"]["is_member"]
    assert (await client.bots_info(bot=emulator.bot_id))["bot"]["app_id"] == emulator.app_id
    assert (await refusal(client.team_info()))["needed"] == "team:read"
    emulator.settings.scopes |= {"team:read", "im:write", "channels:join"}
    assert (await client.team_info())["team"]["id"] == emulator.team_id
    assert (await client.conversations_open(users=["U0EMUADA"]))["channel"]["id"] == emulator.dm("ada")
    assert await error(client.conversations_open(users=["U404"])) == "user_not_found"
    await client.conversations_join(channel=RANDOM)
    assert emulator.bot_user_id in emulator.workspace.channels[RANDOM].members
    message = await posted(emulator, client, text="x")
    link = (await client.chat_getPermalink(channel=GENERAL, message_ts=message.ts))["permalink"]
    assert link.endswith(f"/archives/{GENERAL}/p{message.ts.replace('.', '')}")


async def test_a_home_tab_is_published_with_a_hash_and_a_modal_needs_a_fresh_trigger(
    emulator: SlackEmulator, client: AsyncWebClient
) -> None:
    """hash_conflict guards races; a trigger is good for three seconds and once."""
    home = {"type": "home", "blocks": [section("usage")]}
    view = (await client.views_publish(user_id="U0EMUADA", view=home))["view"]
    assert emulator.home("ada") is not None
    await client.views_publish(user_id="U0EMUADA", view=home, hash=view["hash"])
    assert await error(client.views_publish(user_id="U0EMUADA", view=home, hash=view["hash"])) == "hash_conflict"
    too_many = {"type": "home", "blocks": [{"type": "divider"}] * 101}
    answer = await refusal(client.views_publish(user_id="U0EMUADA", view=too_many))
    assert answer["response_metadata"]["messages"] == [
        "[ERROR] no more than 100 items allowed [json-pointer:/view/blocks]"
    ]
    modal = {"type": "modal", "title": {"type": "plain_text", "text": "T"}, "blocks": [section("x")]}
    trigger = emulator.core.new_trigger("U0EMUADA")
    await client.views_open(trigger_id=trigger, view=modal)
    assert await error(client.views_open(trigger_id=trigger, view=modal)) == "exchanged_trigger_id"
    late = emulator.core.new_trigger("U0EMUADA")
    emulator.advance(4)
    assert await error(client.views_open(trigger_id=late, view=modal)) == "expired_trigger_id"


async def test_a_status_goes_away_by_time_and_by_an_answer(emulator: SlackEmulator, client: AsyncWebClient) -> None:
    """Two minutes, or the first message of the app in the thread."""
    question = await emulator.say("ada", "general", "hi")
    where: dict[str, Any] = {"channel_id": GENERAL, "thread_ts": question.ts}
    await client.assistant_threads_setStatus(**where, status="is thinking", loading_messages=["a"])
    status = emulator.status("general", question.ts)
    assert status is not None
    assert status.text == "is thinking"
    emulator.advance(121)
    assert emulator.status("general", question.ts) is None
    await client.assistant_threads_setStatus(**where, status="is thinking")
    await posted(emulator, client, text="answer", thread_ts=question.ts)
    assert emulator.status("general", question.ts) is None
    many = client.assistant_threads_setStatus(**where, status="x", loading_messages=["a"] * 11)
    assert await error(many) == "invalid_arguments"
    nowhere = client.assistant_threads_setStatus(channel_id=GENERAL, thread_ts="1712345600.000100", status="x")
    assert await error(nowhere) == "invalid_thread_ts"


async def test_agent_sessions_and_prompts_keep_their_rules(emulator: SlackEmulator, client: AsyncWebClient) -> None:
    """The documented states, a thread, and prompts that fail silently with a thread_ts in the agent surface."""
    question = await emulator.say("ada", "general", "hi")
    set_status = client.agents_sessions_setStatus
    answer = await set_status(channel_id=GENERAL, thread_ts=question.ts, status="processing", title="T")
    assert (answer["status"], answer["title"]) == ("processing", "T")
    assert await error(set_status(channel_id=GENERAL, thread_ts=question.ts, status="busy")) == "invalid_status"
    assert await error(set_status(channel_id=GENERAL, status="active")) == "thread_ts_required"
    assert await error(set_status(channel_id=RANDOM, thread_ts="1", status="active")) == "not_authorized"
    prompts = [{"title": "a", "message": "b"}]
    suggest = client.assistant_threads_setSuggestedPrompts
    await suggest(channel_id=emulator.dm("ada"), thread_ts=question.ts, prompts=prompts)
    assert emulator.core.prompts == {}
    await client.api_call(
        "assistant.threads.setSuggestedPrompts", json={"channel_id": emulator.dm("ada"), "prompts": prompts}
    )
    assert list(emulator.core.prompts.values()) == [prompts]
    await client.assistant_threads_setTitle(channel_id=GENERAL, thread_ts=question.ts, title="New")
    assert emulator.core.titles[GENERAL, question.ts] == "New"
    rename = client.agents_sessions_rename
    await rename(channel_id=GENERAL, thread_ts=question.ts, title="Newest")
    assert emulator.core.titles[GENERAL, question.ts] == "Newest"
    assert await error(rename(channel_id=GENERAL, thread_ts="1", title="x")) == "session_not_found"


async def test_files_go_up_in_three_steps_and_come_down_with_the_token(
    emulator: SlackEmulator, client: AsyncWebClient
) -> None:
    """files_upload_v2 of the SDK, and a login page for whoever has no token."""
    question = await emulator.say("ada", "general", "read this", files={"notes.txt": b"the notes"})
    url = question.files[0]["url_private"]
    headers = {"Authorization": f"Bearer {emulator.bot_token}"}
    async with aiohttp.ClientSession(trust_env=False) as session:
        async with session.get(url, headers=headers) as answer:
            assert await answer.read() == b"the notes"
        async with session.get(url) as answer:
            assert answer.content_type == "text/html"
    uploaded = await client.files_upload_v2(
        channel=GENERAL, content="long answer", filename="answer.md", thread_ts=question.ts, initial_comment="here"
    )
    assert uploaded["file"]["name"] == "answer.md"
    shared = emulator.bot_messages("general", question.ts)[0]
    assert (shared.subtype, shared.text, shared.files[0]["size"]) == ("file_share", "here", 11)
    told = (await client.files_info(file=question.files[0]["id"]))["file"]
    assert (told["name"], told["mimetype"]) == ("notes.txt", "text/plain")
    missing = client.files_completeUploadExternal(files=[{"id": "F404", "title": "x"}], channel_id=GENERAL)
    assert await error(missing) == "file_not_found"


async def test_a_response_url_takes_five_posts_in_thirty_minutes(emulator: SlackEmulator) -> None:
    """The sixth is refused, and so is any after half an hour."""
    target = emulator.core.response_urls.issue("U0EMUADA", GENERAL)
    late = emulator.core.response_urls.issue("U0EMUADA", GENERAL)
    async with aiohttp.ClientSession(trust_env=False) as session:

        async def post(url: str, body: dict[str, Any]) -> tuple[int, str]:
            async with session.post(url, json=body) as answer:
                return answer.status, str((await answer.json()).get("error"))

        assert await post(target.url, {}) == (400, "no_text")
        for number in range(5):
            assert (await post(target.url, {"text": str(number), "response_type": "in_channel"}))[0] == 200
        assert await post(target.url, {"text": "six"}) == (404, "used_url")
        emulator.advance(1801)
        assert await post(late.url, {"text": "late"}) == (404, "expired_url")
    assert [message.text for message in emulator.bot_messages("general")] == list("01234")


async def test_faults_can_be_ordered_before_and_after_the_effect(
    emulator: SlackEmulator, client: AsyncWebClient
) -> None:
    """A lost answer is the case no client can tell from a lost call."""
    post = client.chat_postMessage
    emulator.fail_next("chat.postMessage", error="internal_error", times=2)
    for _ in range(2):
        assert await error(post(channel=GENERAL, text="x")) == "internal_error"
    emulator.fail_next("chat.postMessage", after_effect=True)
    with pytest.raises(aiohttp.ClientError):
        await post(channel=GENERAL, text="arrived")
    emulator.fail_next("chat.postMessage")
    with pytest.raises(aiohttp.ClientError):
        await post(channel=GENERAL, text="lost")
    emulator.fail_next("chat.postMessage", status=503)
    with pytest.raises(SlackApiError) as caught:
        await post(channel=GENERAL, text="lost too")
    assert caught.value.response.status_code == 503
    assert [message.text for message in emulator.bot_messages("general")] == ["arrived"]
    log = emulator.calls("chat.postMessage")
    assert [call.took_effect for call in log] == [False, False, True, False, False]
    assert [call.status for call in log] == [200, 200, None, None, 503]


async def test_a_share_of_all_answers_gets_lost_by_chance(emulator: SlackEmulator, client: AsyncWebClient) -> None:
    """What took effect and was never confirmed; the same seed loses the same ones."""
    lost = []
    for _ in range(2):
        emulator.lose_answers(0.3, seed=3)
        told = []
        for number in range(20):
            try:
                await client.chat_postMessage(channel=GENERAL, text=f"{number}")
                told.append(True)
            except aiohttp.ClientError:
                told.append(False)
        lost.append(told)
    emulator.lose_answers(0)
    await client.chat_postMessage(channel=GENERAL, text="told")
    assert len(emulator.bot_messages("general")) == 41
    assert lost[0] == lost[1]
    assert 2 <= lost[0].count(False) <= 18


async def test_changes_can_be_followed(emulator: SlackEmulator, client: AsyncWebClient) -> None:
    """Tests and pages wait for changes instead of asking again and again."""
    seen: list[str] = []
    unsubscribe = emulator.subscribe(lambda change: seen.append(change.kind))
    message = await posted(emulator, client, text="x")
    await client.chat_update(channel=GENERAL, ts=message.ts, text="y")
    await client.chat_delete(channel=GENERAL, ts=message.ts)
    unsubscribe()
    kinds = [kind for kind in seen if kind not in {"delivery", "call"}]
    assert kinds == ["message", "edit", "delete"]
    with pytest.raises(TimeoutError):
        await emulator.wait_for(lambda: False, timeout=0.01)


def test_settings_are_not_shared_between_emulators() -> None:
    """One test's scopes must not leak into the next."""
    one, other = Settings(), Settings()
    one.scopes.clear()
    assert other.scopes
