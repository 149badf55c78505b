"""The local Discord's REST side, asked directly: errors, permissions, mentions, shapes."""

from __future__ import annotations

import json
from collections.abc import Callable

import aiohttp
import pytest

from adapters.emulators.discord import DiscordEmulator, Limits, Permission
from tests.emulators.rest import Json, Rest


async def test_a_wrong_token_is_answered_with_discords_own_words(rest: Rest) -> None:
    """Clients tell a login failure from other errors by this body."""
    reply = await rest("GET", "/users/@me", token="nobody")
    assert (reply.status, reply.body) == (401, {"message": "401: Unauthorized", "code": 0})


async def test_a_message_over_2000_code_points_names_the_field(emulator: DiscordEmulator, rest: Rest) -> None:
    """2000 emoji fit, one character more is refused with the documented tree."""
    general = emulator.channel("general")
    assert (await rest.post(general, "🙂" * 2000)).status == 200
    reply = await rest.post(general, "x" * 2001)
    assert reply.status == 400
    error = {"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 2000 or fewer in length."}
    assert reply.body == {"message": "Invalid Form Body", "code": 50035, "errors": {"content": {"_errors": [error]}}}


async def test_an_empty_message_is_refused_and_white_space_is_nothing(emulator: DiscordEmulator, rest: Rest) -> None:
    general = emulator.channel("general")
    assert (await rest.post(general, "")).code == 50006
    assert (await rest.post(general, " \n ")).code == 50006
    assert (await rest.post(general, "\n a \n")).body["content"] == "a"


async def test_an_edit_to_nothing_leaves_the_message_as_it_was(emulator: DiscordEmulator, rest: Rest) -> None:
    general = emulator.channel("general")
    await rest.post(general, "kept")
    message = emulator.messages(general)[-1]
    assert (await rest.edit(message, content="")).code == 50006
    assert message.content == "kept"


async def test_unknown_places_and_messages_have_their_codes(emulator: DiscordEmulator, rest: Rest) -> None:
    general = emulator.channel("general")
    assert (await rest("GET", "/channels/1")).code == 10003
    assert (await rest("GET", f"/channels/{general.id}/messages/1")).code == 10008
    message = await emulator.say("ada", general, "soon gone")
    await emulator.delete_message(message)
    assert (await rest.edit(message, content="x")).code == 10008
    assert (await rest("GET", "/nothing/here")).status == 404


async def test_nobody_edits_what_another_wrote(emulator: DiscordEmulator, rest: Rest) -> None:
    message = await emulator.say("ada", "general", "mine")
    assert (await rest.edit(message, content="yours")).code == 50005


async def test_permissions_of_a_channel_decide_what_the_bot_may_do(emulator: DiscordEmulator, rest: Rest) -> None:
    """50001 where it cannot look, 50013 where it can look but not act."""
    general, random = emulator.channel("general"), emulator.channel("random")
    await emulator.set_permissions(general, deny=Permission.SEND_MESSAGES | Permission.SEND_MESSAGES_IN_THREADS)
    await emulator.set_permissions(random, deny=Permission.VIEW_CHANNEL)
    assert (await rest.post(general, "x")).code == 50013
    assert (await rest.post(random, "x")).code == 50001
    thread = await emulator.open_thread("ada", general, "talk")
    assert (await rest.post(thread, "x")).code == 50013
    message = await emulator.say("ada", general, "start")
    await emulator.set_permissions(general, deny=Permission.CREATE_PUBLIC_THREADS)
    path = f"/channels/{general.id}/messages/{message.id}/threads"
    assert (await rest("POST", path, {"name": "x"})).code == 50013


async def test_a_thread_opens_once_and_its_name_has_a_length(emulator: DiscordEmulator, rest: Rest) -> None:
    message = await emulator.say("ada", "general", "start")
    path = f"/channels/{message.channel_id}/messages/{message.id}/threads"
    assert (await rest("POST", path, {"name": "x" * 101})).code == 50035
    made = await rest("POST", path, {"name": "x" * 100})
    assert made.status == 201 and made.body["id"] == str(message.id)
    assert (await rest("POST", path, {"name": "again"})).code == 160004


async def test_an_archived_thread_refuses_edits_and_wakes_for_a_message(emulator: DiscordEmulator, rest: Rest) -> None:
    thread = await emulator.open_thread("ada", "general", "talk", "hello")
    await rest.post(thread, "answer")
    message = emulator.messages(thread)[-1]
    await emulator.advance(1440 * 60)
    assert thread.thread is not None and thread.thread.archived
    assert (await rest.edit(message, content="more")).code == 50083
    reaction = f"/channels/{thread.id}/messages/{message.id}/reactions/👀/@me"
    assert (await rest("PUT", reaction)).code == 50083
    assert (await rest.post(thread, "woken")).status == 200
    assert not thread.thread.archived
    await emulator.archive(thread)
    assert (await rest("PATCH", f"/channels/{thread.id}", {"archived": False})).status == 200
    assert (await rest.edit(message, content="more")).status == 200


async def test_a_locked_thread_takes_no_message(emulator: DiscordEmulator, rest: Rest) -> None:
    thread = await emulator.open_thread("ada", "general", "talk", "hello")
    await emulator.lock(thread)
    reply = await rest.post(thread, "x")
    assert (reply.status, reply.code) == (403, 160005)


async def test_a_forum_takes_posts_and_no_messages(emulator: DiscordEmulator, rest: Rest) -> None:
    forum = emulator.channel("questions")
    assert (await rest.post(forum, "x")).code == 40058
    made = await rest("POST", f"/channels/{forum.id}/threads", {"name": "how", "message": {"content": "like so"}})
    assert made.status == 201 and made.body["message"]["id"] == made.body["id"]
    forum.flags = 1 << 4
    again = await rest("POST", f"/channels/{forum.id}/threads", {"name": "how", "message": {"content": "x"}})
    assert again.code == 40067


async def test_too_many_active_threads_are_refused(sessions: Callable[[DiscordEmulator], Rest]) -> None:
    async with DiscordEmulator(limits=Limits(active_threads=1)).running() as emulator:
        rest = sessions(emulator)
        path = f"/channels/{emulator.channel('general').id}/threads"
        assert (await rest("POST", path, {"name": "one", "type": 11})).status == 201
        assert (await rest("POST", path, {"name": "two", "type": 11})).code == 160006


async def test_a_reply_to_a_deleted_message_fails_unless_told_not_to(emulator: DiscordEmulator, rest: Rest) -> None:
    general = emulator.channel("general")
    message = await emulator.say("ada", general, "gone")
    await emulator.delete_message(message)
    reference = {"message_id": str(message.id)}
    reply = await rest.post(general, "x", message_reference=reference)
    assert reply.code == 50035 and "message_reference" in reply.body["errors"]
    assert (await rest.post(general, "x", message_reference={**reference, "fail_if_not_exists": False})).status == 200


async def test_the_same_enforced_nonce_gives_the_same_message_for_minutes(
    emulator: DiscordEmulator, rest: Rest
) -> None:
    """What makes a repeated first post harmless."""
    general = emulator.channel("general")
    first = await rest.post(general, "x", nonce="turn-1", enforce_nonce=True)
    again = await rest.post(general, "x", nonce="turn-1", enforce_nonce=True)
    assert first.body["id"] == again.body["id"] and len(emulator.messages(general)) == 1
    elsewhere = await rest.post(emulator.channel("random"), "x", nonce="turn-1", enforce_nonce=True)
    assert (elsewhere.body["id"], elsewhere.body["channel_id"]) == (first.body["id"], str(general.id))
    assert (await rest.post(general, "x", nonce="turn-1")).body["id"] != first.body["id"]
    await emulator.advance(600)
    assert (await rest.post(general, "x", nonce="turn-1", enforce_nonce=True)).body["id"] != first.body["id"]
    assert (await rest.post(general, "x", nonce="x" * 26)).code == 50035


async def test_pings_follow_allowed_mentions_on_create_and_on_edit(emulator: DiscordEmulator, rest: Rest) -> None:
    """An edit that says nothing is parsed with the defaults, whatever the create said."""
    general, ada = emulator.channel("general"), emulator.user("ada")
    text = f"@everyone <@{ada.id}>"
    quiet: Json = {"parse": []}
    made = await rest.post(general, text, allowed_mentions=quiet)
    message = emulator.messages(general)[-1]
    assert message.pings == [] and made.body["mentions"] == [] and not made.body["mention_everyone"]
    await rest.edit(message, content=text + "!", allowed_mentions=quiet)
    assert message.pings == []
    await rest.edit(message, content=text + "!!")
    assert message.pings == ["everyone", f"user:{ada.id}"]
    assert [shown.content for shown in message.history] == [text, text + "!", text + "!!"]


async def test_a_bot_without_the_permission_cannot_ping_everyone(emulator: DiscordEmulator, rest: Rest) -> None:
    general = emulator.channel("general")
    await emulator.set_permissions(general, deny=Permission.MENTION_EVERYONE)
    await rest.post(general, "@everyone @here")
    assert emulator.messages(general)[-1].pings == []


async def test_a_reply_pings_the_author_unless_told_not_to(emulator: DiscordEmulator, rest: Rest) -> None:
    general, ada = emulator.channel("general"), emulator.user("ada")
    message = await emulator.say(ada, general, "hello")
    reference = {"message_id": str(message.id)}
    await rest.post(general, "x", message_reference=reference)
    await rest.post(general, "x", message_reference=reference, allowed_mentions={"parse": ["users"]})
    assert [one.pings for one in emulator.messages(general)[1:]] == [[f"user:{ada.id}"], []]


async def test_links_unfurl_unless_bracketed_in_code_or_suppressed(emulator: DiscordEmulator, rest: Rest) -> None:
    general = emulator.channel("general")
    await rest.post(general, "see https://a.example/x, <https://b.example> and `https://c.example`")
    await rest.post(general, "see https://a.example/x", flags=4)
    first, second = emulator.messages(general)
    assert (first.unfurls, second.unfurls) == (["https://a.example/x"], [])
    await rest.edit(second, content="see https://a.example/y", flags=0)
    assert second.unfurls == ["https://a.example/y"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (
            {
                "components": [
                    {"type": 1, "components": [{"type": 2, "style": 1, "label": "x", "custom_id": "i" * 101}]}
                ]
            },
            "components",
        ),
        ({"components": [{"type": 1, "components": [{"type": 2, "style": 1, "label": "x"}]}]}, "components"),
        ({"components": [{"type": 10, "content": "needs the flag"}]}, "components"),
        (
            {
                "components": [
                    {
                        "type": 1,
                        "components": [{"type": 2, "style": 1, "label": str(i), "custom_id": str(i)} for i in range(6)],
                    }
                ]
            },
            "components",
        ),
        ({"embeds": [{"description": "x" * 4097}]}, "embeds"),
        ({"embeds": [{"description": "x" * 3001}, {"description": "x" * 3000}]}, "embeds"),
        ({"embeds": [{"title": str(i)} for i in range(11)]}, "embeds"),
        ({"flags": 1 << 15, "content": "x", "components": [{"type": 10, "content": "y"}]}, "content"),
        ({"flags": 1 << 15, "components": [{"type": 10, "content": "y" * 4001}]}, "components"),
        ({"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}}, "allowed_mentions"),
    ],
)
async def test_a_body_discord_refuses_is_refused(emulator: DiscordEmulator, rest: Rest, body: Json, path: str) -> None:
    """Each names the field that is wrong."""
    reply = await rest.post(emulator.channel("general"), **body)
    assert reply.code == 50035 and list(reply.body["errors"]) == [path]
    assert emulator.messages("general") == []


async def test_components_v2_carry_a_long_text(emulator: DiscordEmulator, rest: Rest) -> None:
    body: Json = {"flags": 1 << 15, "components": [{"type": 10, "content": "y" * 4000}]}
    assert (await rest.post(emulator.channel("general"), **body)).status == 200


async def test_files_come_as_multipart_and_can_be_fetched(emulator: DiscordEmulator, rest: Rest) -> None:
    form = aiohttp.FormData()
    described = {"content": "", "attachments": [{"id": 0, "filename": "a.md", "description": "notes"}]}
    form.add_field("payload_json", json.dumps(described), content_type="application/json")
    form.add_field("files[0]", b"# hi", filename="a.md", content_type="application/octet-stream")
    made = await rest("POST", f"/channels/{emulator.channel('general').id}/messages", form=form)
    (attachment,) = made.body["attachments"]
    assert (attachment["filename"], attachment["size"]) == ("a.md", 4)
    async with aiohttp.ClientSession(trust_env=False) as session, session.get(attachment["url"]) as answer:
        assert await answer.read() == b"# hi"


async def test_history_pages_before_after_and_around(emulator: DiscordEmulator, rest: Rest) -> None:
    general = emulator.channel("general")
    ids = [str((await emulator.say("ada", general, str(n))).id) for n in range(6)]
    path = f"/channels/{general.id}/messages"

    async def read(query: str) -> list[str]:
        return [one["id"] for one in (await rest("GET", f"{path}?{query}")).body]

    assert await read("limit=2") == [ids[5], ids[4]]
    assert await read(f"limit=2&before={ids[3]}") == [ids[2], ids[1]]
    assert await read(f"limit=2&after={ids[1]}") == [ids[3], ids[2]]
    assert await read(f"limit=3&around={ids[2]}") == [ids[3], ids[2], ids[1]]
    assert (await rest("GET", f"{path}?limit=101")).code == 50035


async def test_without_the_content_intent_rest_is_emptied_too(emulator: DiscordEmulator, rest: Rest) -> None:
    """Except for mentions of the bot and its own messages."""
    emulator.allow_intents(0)
    general = emulator.channel("general")
    await emulator.say("ada", general, "secret")
    await emulator.say("ada", general, "@Parley hi")
    await rest.post(general, "mine")
    read = (await rest("GET", f"/channels/{general.id}/messages")).body
    assert [one["content"] for one in read] == ["mine", f"<@{emulator.bot_user_id}> hi", ""]


async def test_direct_messages_reach_people_who_take_them(emulator: DiscordEmulator, rest: Rest) -> None:
    cleo = emulator.user("cleo")
    made = await rest("POST", "/users/@me/channels", {"recipient_id": str(cleo.id)})
    channel = emulator.channel(int(made.body["id"]))
    assert (await rest.post(channel, "hello")).status == 200
    cleo.accepts_direct = False
    assert (await rest.post(channel, "hello")).code == 50007


async def test_onlookers_follow_changes_without_polling(emulator: DiscordEmulator, rest: Rest) -> None:
    with emulator.changes() as changes:
        await rest.post(emulator.channel("general"), "x")
        event = await anext(changes)
    assert event.name == "MESSAGE_CREATE" and event.d["content"] == "x"


async def test_typing_shows_until_the_bot_posts(emulator: DiscordEmulator, rest: Rest) -> None:
    general = emulator.channel("general")
    assert (await rest("POST", f"/channels/{general.id}/typing")).status == 204
    assert emulator.is_typing(general)
    await emulator.advance(11)
    assert not emulator.is_typing(general)
    await rest("POST", f"/channels/{general.id}/typing")
    await rest.post(general, "here")
    assert not emulator.is_typing(general) and len(emulator.typing_times(general)) == 2


async def test_a_message_in_a_thread_wakes_and_joins_people(emulator: DiscordEmulator, rest: Rest) -> None:
    """Who writes or is mentioned in a thread becomes its member; the list of active threads shows it."""
    thread = await emulator.open_thread("ada", "general", "talk")
    await rest.post(thread, f"<@{emulator.user('cleo').id}> look")
    members = (await rest("GET", f"/channels/{thread.id}/thread-members")).body
    joined = {emulator.user("ada").id, emulator.user("cleo").id, emulator.bot_user_id}
    assert {int(one["user_id"]) for one in members} == joined
    active = (await rest("GET", f"/guilds/{emulator.guild_id}/threads/active")).body
    assert [one["id"] for one in active["threads"]] == [str(thread.id)]
    await emulator.archive(thread)
    parent = emulator.channel("general")
    archived = (await rest("GET", f"/channels/{parent.id}/threads/archived/public")).body
    assert [one["id"] for one in archived["threads"]] == [str(thread.id)] and not archived["has_more"]


async def test_pins_reactions_and_bulk_deletion(emulator: DiscordEmulator, rest: Rest) -> None:
    general = emulator.channel("general")
    await rest.post(general, "x")
    message = emulator.messages(general)[-1]
    path = f"/channels/{general.id}/messages/{message.id}"
    assert (await rest("PUT", f"{path}/reactions/👀/@me")).status == 204
    assert (await rest("PUT", f"{path}/reactions/eyes/@me")).code == 10014
    assert message.reactions == {"👀": [emulator.bot_user_id]}
    assert (await rest("DELETE", f"{path}/reactions/👀/@me")).status == 204 and not message.reactions
    pin = f"/channels/{general.id}/messages/pins/{message.id}"
    assert (await rest("PUT", pin)).code == 50013
    await emulator.set_permissions(general, allow=Permission.MANAGE_MESSAGES)
    assert (await rest("PUT", pin)).status == 204
    assert [one["id"] for one in (await rest("GET", f"/channels/{general.id}/pins")).body] == [str(message.id)]
    ids = [str(one.id) for one in emulator.messages(general)]
    assert (await rest("POST", f"/channels/{general.id}/messages/bulk-delete", {"messages": ids[:1]})).code == 50016
    await emulator.advance(3)
    assert (await rest("POST", f"/channels/{general.id}/messages/bulk-delete", {"messages": ids})).status == 204
    assert emulator.messages(general) == []
