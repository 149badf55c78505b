"""Channels: reading, changing, deleting, typing, and the DM with a person.

Source: Discord "Channel" resource, docs of 2026-08-06.
"""

from __future__ import annotations

from .. import messages, payloads, threads
from ..errors import FormErrors, Json, refusal
from ..permissions import Permission
from ..state import CATEGORY, FORUM, VOICE, Channel, ThreadState
from ..threads import ARCHIVE_MINUTES
from ._routes import Answer, Call, Route, Service, channel_of, has, hidden_limit, need, no_content, ok


def get(service: Service, call: Call) -> Answer:
    return ok(payloads.thread_for(service.world, channel_of(service, call), service.bot.id))


def change(service: Service, call: Call) -> Answer:
    """Renaming counts against two per ten minutes, for threads too (discord.py issue 5093)."""
    channel = channel_of(service, call)
    body = call.json()
    if channel.guild_id is None:
        raise refusal(50003)
    _check(service, channel, body)
    if channel.thread is not None:
        _may_change_thread(service, channel, channel.thread, body)
    else:
        need(service, channel, Permission.MANAGE_CHANNELS)
    if "name" in body and body["name"] != channel.name:
        hidden_limit(service, "rename", channel.id)
    if channel.thread is not None:
        _change_thread(channel, channel.thread, body, service.world.now())
        threads.update(service.world, channel)
    else:
        _change_place(channel, body)
        messages.announce(service.world, "CHANNEL_UPDATE", channel, payloads.channel(service.world, channel))
    return ok(payloads.thread_for(service.world, channel, service.bot.id))


def delete(service: Service, call: Call) -> Answer:
    channel = channel_of(service, call)
    if channel.guild_id is not None:
        need(service, channel, Permission.MANAGE_THREADS if channel.thread else Permission.MANAGE_CHANNELS)
        body = payloads.channel(service.world, channel)
        threads.delete(service.world, channel)
        return ok(body)
    return ok(payloads.channel(service.world, channel))


def typing(service: Service, call: Call) -> Answer:
    channel = channel_of(service, call)
    if channel.type in (CATEGORY, FORUM, VOICE):
        raise refusal(50008)
    need(service, channel, Permission.SEND_MESSAGES_IN_THREADS if channel.thread else Permission.SEND_MESSAGES)
    messages.typing(service.world, channel, service.bot)
    return no_content()


def open_direct(service: Service, call: Call) -> Answer:
    """Create DM: the existing one if there is one."""
    recipient = str(call.json().get("recipient_id"))
    person = service.world.users.get(int(recipient)) if recipient.isdigit() else None
    if person is None or person.id == service.bot.id:
        raise refusal(10013) if person is None else refusal(50007)
    return ok(payloads.channel(service.world, service.world.direct_channel(person)))


def _check(service: Service, channel: Channel, body: Json) -> None:
    errors = FormErrors()
    if "name" in body:
        errors.text(("name",), body["name"], least=1, most=service.world.limits.thread_name, required=True)
    errors.text(("topic",), body.get("topic"), most=1024)
    if body.get("auto_archive_duration") not in (None, *ARCHIVE_MINUTES):
        errors.choices(("auto_archive_duration",), ", ".join(map(str, ARCHIVE_MINUTES)))
    if not 0 <= int(body.get("rate_limit_per_user") or 0) <= 21600:
        errors.add(("rate_limit_per_user",), "NUMBER_TYPE_MAX", "int value should be less than or equal to 21600.")
    errors.done()


def _may_change_thread(service: Service, thread: Channel, state: ThreadState, body: Json) -> None:
    """The owner may rename and archive; waking it needs only the right to talk; locking needs MANAGE_THREADS.

    An archived thread takes no change but being woken (50083); a locked one is woken by managers alone.
    """
    manager = has(service, thread, Permission.MANAGE_THREADS)
    wakes = state.archived and body.get("archived") is False
    if state.archived and not wakes and not (manager and set(body) <= {"locked", "archived"}):
        raise refusal(50083)
    if wakes and state.locked and not manager:
        raise refusal(50013)
    if manager:
        return
    need(service, thread, Permission.SEND_MESSAGES_IN_THREADS)
    if "locked" in body or "rate_limit_per_user" in body:
        raise refusal(50013)
    if state.owner_id != service.bot.id and set(body) != {"archived"}:
        raise refusal(50013)
    if state.owner_id != service.bot.id and not wakes:
        raise refusal(50013)


def _change_thread(thread: Channel, state: ThreadState, body: Json, now: float) -> None:
    thread.name = body.get("name", thread.name)
    thread.slowmode_s = body.get("rate_limit_per_user", thread.slowmode_s)
    state.archive_minutes = body.get("auto_archive_duration", state.archive_minutes)
    state.locked = body.get("locked", state.locked)
    state.invitable = body.get("invitable", state.invitable)
    if "applied_tags" in body:
        state.applied_tags = [int(tag) for tag in body["applied_tags"]]
    if body.get("archived") not in (None, state.archived):
        state.archived, state.archived_at, state.active_at = body["archived"], now, now


def _change_place(channel: Channel, body: Json) -> None:
    channel.name = body.get("name", channel.name)
    channel.topic = body.get("topic", channel.topic)
    channel.position = body.get("position", channel.position)
    channel.slowmode_s = body.get("rate_limit_per_user", channel.slowmode_s)


ROUTES = [
    Route("GET", "/channels/{channel_id}", get, major="channel_id"),
    Route("PATCH", "/channels/{channel_id}", change, "channel", "channel_id"),
    Route("DELETE", "/channels/{channel_id}", delete, "channel", "channel_id"),
    Route("POST", "/channels/{channel_id}/typing", typing, "typing", "channel_id"),
    Route("POST", "/users/@me/channels", open_direct),
]
