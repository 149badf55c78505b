"""Threads: opening from a message, alone, or in a forum; members; archived and active ones.

Source: Discord "Channel: Start Thread ..." and "Threads", docs of 2026-08-06.
"""

from __future__ import annotations

from collections.abc import Iterable

from .. import payloads, permissions, threads
from ..drafts import Draft
from ..errors import FormErrors, Json, refusal
from ..permissions import Permission
from ..state import FORUM, NEWS, NEWS_THREAD, PRIVATE_THREAD, PUBLIC_THREAD, TEXT, THREADS, Channel, User
from ..threads import ARCHIVE_MINUTES
from ._routes import Answer, Call, Route, Service, channel_of, guild_of, message_of, need, no_content, ok
from .messages import shown

_TAG_REQUIRED = 1 << 4


def from_message(service: Service, call: Call) -> Answer:
    parent, message = message_of(service, call)
    if parent.type not in (TEXT, NEWS):
        raise refusal(50024)
    need(service, parent, Permission.CREATE_PUBLIC_THREADS)
    name, minutes = _named(service, parent, call.json())
    thread = threads.open_from_message(service.world, message, service.bot, name, minutes)
    return Answer(201, payloads.thread_for(service.world, thread, service.bot.id))


def alone(service: Service, call: Call) -> Answer:
    """In a forum a post with its message, elsewhere a thread; private unless a type says otherwise (API v10)."""
    parent = channel_of(service, call)
    if parent.type == FORUM:
        return _post(service, call, parent)
    if parent.type not in (TEXT, NEWS):
        raise refusal(50024)
    body = call.json()
    kind = int(body.get("type") or PRIVATE_THREAD)
    name, minutes = _named(service, parent, body)
    if kind not in THREADS:
        errors = FormErrors()
        errors.choices(("type",), "10, 11, 12")
        errors.done()
    private = kind == PRIVATE_THREAD
    need(service, parent, Permission.CREATE_PRIVATE_THREADS if private else Permission.CREATE_PUBLIC_THREADS)
    thread = threads.open_alone(
        service.world, parent, service.bot, name, kind, minutes, invitable=body.get("invitable", True)
    )
    return Answer(201, payloads.thread_for(service.world, thread, service.bot.id))


def _post(service: Service, call: Call, forum: Channel) -> Answer:
    body = call.json()
    need(service, forum, Permission.SEND_MESSAGES)
    name, minutes = _named(service, forum, body)
    tags = [int(tag) for tag in body.get("applied_tags") or []]
    if forum.flags & _TAG_REQUIRED and not tags:
        raise refusal(40067)
    errors = FormErrors()
    if not isinstance(body.get("message"), dict):
        errors.required(("message",))
    errors.length(("applied_tags",), tags, most=5)
    errors.done()
    draft = Draft.parse(service.world, body["message"], call.files)
    thread, message = threads.open_post(service.world, forum, service.bot, name, minutes, tags, draft)
    answer = payloads.thread_for(service.world, thread, service.bot.id)
    return Answer(201, {**answer, "message": payloads.message(service.world, message)})


def members(service: Service, call: Call) -> Answer:
    thread = channel_of(service, call)
    return ok([payloads.thread_member(thread, key) for key in threads.state_of(thread).members])


def member(service: Service, call: Call) -> Answer:
    thread = channel_of(service, call)
    user = _person(service, call)
    if user.id not in threads.state_of(thread).members:
        raise refusal(10007)
    return ok(payloads.thread_member(thread, user.id))


def join(service: Service, call: Call) -> Answer:
    thread = _awake(service, call)
    threads.join(service.world, thread, service.bot)
    return no_content()


def leave(service: Service, call: Call) -> Answer:
    thread = _awake(service, call)
    threads.leave(service.world, thread, service.bot)
    return no_content()


def add_member(service: Service, call: Call) -> Answer:
    thread = _awake(service, call)
    need(service, thread, Permission.SEND_MESSAGES_IN_THREADS)
    threads.join(service.world, thread, _person(service, call))
    return no_content()


def remove_member(service: Service, call: Call) -> Answer:
    thread = _awake(service, call)
    owns = thread.is_private_thread and threads.state_of(thread).owner_id == service.bot.id
    if not owns:
        need(service, thread, Permission.MANAGE_THREADS)
    threads.leave(service.world, thread, _person(service, call))
    return no_content()


def archived_public(service: Service, call: Call) -> Answer:
    return _archived(service, call, (PUBLIC_THREAD, NEWS_THREAD))


def archived_private(service: Service, call: Call) -> Answer:
    parent = channel_of(service, call)
    need(service, parent, Permission.MANAGE_THREADS)
    return _archived(service, call, (PRIVATE_THREAD,))


def archived_joined(service: Service, call: Call) -> Answer:
    return _archived(service, call, (PRIVATE_THREAD,), joined=True)


def active(service: Service, call: Call) -> Answer:
    guild = guild_of(service, call)
    every = [one for one in service.world.threads(guild_id=guild.id) if not threads.state_of(one).archived]
    seen = [one for one in every if permissions.sees(service.world, one, service.bot.id)]
    return ok(_listed(service, sorted(seen, key=lambda one: -one.id)))


def _archived(service: Service, call: Call, kinds: tuple[int, ...], *, joined: bool = False) -> Answer:
    parent = channel_of(service, call)
    need(service, parent, Permission.READ_MESSAGE_HISTORY)
    limit = call.number("limit", 50, 1, 100)
    found = [
        one
        for one in service.world.threads(parent_id=parent.id)
        if one.type in kinds and (state := threads.state_of(one)).archived
        if not joined or service.bot.id in state.members
    ]
    if before := call.query.get("before"):
        found = [one for one in found if _before(one, before)]
    found.sort(key=lambda one: -threads.state_of(one).archived_at)
    return ok({**_listed(service, found[:limit]), "has_more": len(found) > limit})


def _before(thread: Channel, before: str) -> bool:
    if before.isdigit():
        return thread.id < int(before)
    return payloads.iso(threads.state_of(thread).archived_at) < before.replace(" ", "+")


def _listed(service: Service, found: Iterable[Channel]) -> Json:
    every = list(found)
    mine = [one for one in every if service.bot.id in threads.state_of(one).members]
    first = [message for one in every if (message := service.world.find(one.parent_id or 0, one.id))]
    return {
        "threads": [payloads.thread_for(service.world, one, service.bot.id) for one in every],
        "members": [payloads.thread_member(one, service.bot.id) for one in mine],
        "first_messages": [shown(service, one) for one in first],
    }


def _named(service: Service, parent: Channel, body: Json) -> tuple[str, int]:
    errors = FormErrors()
    errors.text(("name",), body.get("name"), least=1, most=service.world.limits.thread_name, required=True)
    minutes = body.get("auto_archive_duration") or parent.default_archive_minutes
    if minutes not in ARCHIVE_MINUTES:
        errors.choices(("auto_archive_duration",), ", ".join(map(str, ARCHIVE_MINUTES)))
    errors.done()
    return str(body["name"]), int(minutes)


def _awake(service: Service, call: Call) -> Channel:
    thread = channel_of(service, call)
    if threads.state_of(thread).archived:
        raise refusal(50083)
    return thread


def _person(service: Service, call: Call) -> User:
    user = service.bot if call.args["user_id"] == "@me" else service.world.users.get(call.id("user_id"))
    if user is None:
        raise refusal(10013)
    return user


_CHANNEL = "/channels/{channel_id}"
_MEMBERS = _CHANNEL + "/thread-members"
ROUTES = [
    Route("POST", _CHANNEL + "/messages/{message_id}/threads", from_message, "thread", "channel_id"),
    Route("POST", _CHANNEL + "/threads", alone, "thread", "channel_id"),
    Route("GET", _MEMBERS, members, "other:members", "channel_id"),
    Route("PUT", _MEMBERS + "/@me", join, "other:join", "channel_id"),
    Route("DELETE", _MEMBERS + "/@me", leave, "other:join", "channel_id"),
    Route("GET", _MEMBERS + "/{user_id}", member, "other:members", "channel_id"),
    Route("PUT", _MEMBERS + "/{user_id}", add_member, "other:join", "channel_id"),
    Route("DELETE", _MEMBERS + "/{user_id}", remove_member, "other:join", "channel_id"),
    Route("GET", _CHANNEL + "/threads/archived/public", archived_public, "other:archived", "channel_id"),
    Route("GET", _CHANNEL + "/threads/archived/private", archived_private, "other:archived", "channel_id"),
    Route("GET", _CHANNEL + "/users/@me/threads/archived/private", archived_joined, "other:archived", "channel_id"),
    Route("GET", "/guilds/{guild_id}/threads/active", active, "other:active", "guild_id"),
]
