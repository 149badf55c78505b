"""What happens to threads: opening, joining, archiving, locking.

Source: Discord "Threads" and "Channel: Start Thread ...", docs of 2026-08-06. Recorded traffic shows the first message
of a thread arriving before THREAD_CREATE, hence `World.thread_create_after_first_message`.
"""

from __future__ import annotations

from collections.abc import Callable

from . import messages, payloads, permissions
from .drafts import Draft
from .errors import Json, refusal
from .mentions import Mentions
from .state import (
    HAS_THREAD,
    NEWS,
    NEWS_THREAD,
    PRIVATE_THREAD,
    PUBLIC_THREAD,
    THREAD_CREATED,
    THREAD_STARTER,
    Channel,
    Message,
    ThreadState,
    User,
    World,
)

ARCHIVE_MINUTES = (60, 1440, 4320, 10080)
_NOT_COUNTED = (THREAD_STARTER,)


def open_from_message(world: World, message: Message, owner: User, name: str, archive_minutes: int) -> Channel:
    """Open the thread of `message`; it has the message's id. Raises ApiError 160004 if there is one already."""
    if message.thread_id is not None or message.id in world.channels:
        raise refusal(160004)
    parent = world.channels[message.channel_id]
    kind = NEWS_THREAD if parent.type == NEWS else PUBLIC_THREAD
    thread = _opened(world, parent, message.id, kind, owner, name, archive_minutes)
    message.thread_id = thread.id
    message.flags |= HAS_THREAD
    reference = {"message_id": str(message.id), "channel_id": str(parent.id)}
    starter = Draft(reference=reference)
    origin = messages.Origin(type=THREAD_STARTER)
    _announced(world, thread, lambda: messages.create_message(world, thread, message.author, starter, origin))
    messages.announce_message(world, "MESSAGE_UPDATE", message)
    return thread


def open_alone(
    world: World, parent: Channel, owner: User, name: str, kind: int, archive_minutes: int, *, invitable: bool = True
) -> Channel:
    """Open a thread that hangs on no message; the parent of a public one shows a notice."""
    thread = _opened(world, parent, world.ids.new(), kind, owner, name, archive_minutes)
    assert thread.thread is not None
    thread.thread.invitable = invitable
    _announced(world, thread, None)
    if kind != PRIVATE_THREAD:
        origin = messages.Origin(type=THREAD_CREATED)
        notice = messages.create_message(world, parent, owner, Draft(content=name), origin)
        notice.reference = {"channel_id": str(thread.id), "guild_id": str(thread.guild_id)}
    return thread


def open_post(
    world: World, forum: Channel, owner: User, name: str, archive_minutes: int, tags: list[int], draft: Draft
) -> tuple[Channel, Message]:
    """Open a forum post: a thread and its first message under one id."""
    thread = _opened(world, forum, world.ids.new(), PUBLIC_THREAD, owner, name, archive_minutes)
    assert thread.thread is not None
    thread.thread.applied_tags = tags
    origin = messages.Origin(message_id=thread.id)
    forum.last_message_id = thread.id
    posted: list[Message] = []
    try:
        _announced(world, thread, lambda: posted.append(messages.create_message(world, thread, owner, draft, origin)))
    except Exception:
        del world.channels[thread.id]
        raise
    return thread, posted[0]


def update(world: World, thread: Channel) -> None:
    """Announce that `thread` changed."""
    messages.announce(world, "THREAD_UPDATE", thread, payloads.thread_for(world, thread, world.bot.id))


def archive(world: World, thread: Channel, *, archived: bool) -> None:
    """Archive or wake `thread`; nothing happens if it is so already."""
    state = state_of(thread)
    if state.archived == archived:
        return
    state.archived, state.archived_at, state.active_at = archived, world.now(), world.now()
    update(world, thread)


def lock(world: World, thread: Channel, *, locked: bool) -> None:
    state = state_of(thread)
    if state.locked != locked:
        state.locked = locked
        update(world, thread)


def archive_idle(world: World) -> None:
    """Archive every thread in which nothing happened for its auto-archive time."""
    for thread in list(world.threads()):
        state = state_of(thread)
        if not state.archived and world.now() - state.active_at >= state.archive_minutes * 60:
            archive(world, thread, archived=True)


def join(world: World, thread: Channel, user: User) -> None:
    """Make `user` a member of `thread`. Once is enough."""
    state = state_of(thread)
    if user.id in state.members:
        return
    state.members[user.id] = world.now()
    _announce_members(world, thread, added=[user])


def leave(world: World, thread: Channel, user: User) -> None:
    if state_of(thread).members.pop(user.id, None) is not None:
        _announce_members(world, thread, removed=[user])


def delete(world: World, channel: Channel) -> None:
    """Delete a channel or thread with its messages, and with the threads of a channel."""
    seen = permissions.sees(world, channel, world.bot.id)
    for child in list(world.threads(parent_id=channel.id)) if channel.thread is None else []:
        delete(world, child)
    for message in world.messages.get(channel.id, {}).values():
        message.deleted = True
    if channel.thread:
        payload = {"id": str(channel.id), "type": channel.type, "guild_id": str(channel.guild_id)}
        payload["parent_id"] = str(channel.parent_id)
        messages.announce(world, "THREAD_DELETE", channel, payload, visible=seen)
    else:
        messages.announce(world, "CHANNEL_DELETE", channel, payloads.channel(world, channel), visible=seen)
    del world.channels[channel.id]


def count_message(world: World, channel: Channel, message: Message) -> None:
    """Let a thread know of a new message: it counts and keeps the thread awake. An archived thread wakes up."""
    if channel.thread is None:
        return
    archive(world, channel, archived=False)
    channel.thread.active_at = world.now()
    if message.type not in _NOT_COUNTED and message.id != channel.id:
        channel.thread.message_count += 1
        channel.thread.total_message_sent += 1


def join_with_message(world: World, channel: Channel, message: Message, mentions: Mentions) -> None:
    """Who writes in a thread joins it, and so does who is mentioned there."""
    if channel.thread is None or message.type == THREAD_STARTER:
        return
    for key in [message.author.id, *mentions.user_ids]:
        join(world, channel, world.users[key])


def state_of(thread: Channel) -> ThreadState:
    """Raises ApiError 50024 for a channel that is no thread."""
    if thread.thread is None:
        raise refusal(50024)
    return thread.thread


def _opened(
    world: World, parent: Channel, thread_id: int, kind: int, owner: User, name: str, archive_minutes: int
) -> Channel:
    """A new thread in the state, not yet announced. Raises ApiError 160006 if too many are active."""
    active = [one for one in world.threads(guild_id=parent.guild_id) if one.thread and not one.thread.archived]
    if len(active) >= world.limits.active_threads:
        raise refusal(160006)
    now = world.now()
    state = ThreadState(owner.id, now, archive_minutes, archived_at=now, active_at=now, members={owner.id: now})
    thread = Channel(thread_id, kind, name, parent.guild_id, parent.id, thread=state)
    world.channels[thread.id] = thread
    return thread


def _announced(world: World, thread: Channel, first_message: Callable[[], object] | None) -> None:
    def created() -> None:
        payload = {**payloads.thread_for(world, thread, world.bot.id), "newly_created": True}
        messages.announce(world, "THREAD_CREATE", thread, payload)

    if first_message is None:
        created()
    elif world.thread_create_after_first_message:
        first_message()
        created()
    else:
        created()
        first_message()


def _announce_members(
    world: World, thread: Channel, added: list[User] | None = None, removed: list[User] | None = None
) -> None:
    payload: Json = {
        "id": str(thread.id),
        "guild_id": str(thread.guild_id),
        "member_count": min(len(state_of(thread).members), 50),
    }
    if added:
        guild = world.guilds[thread.guild_id or 0]
        payload["added_members"] = [
            {
                **payloads.thread_member(thread, user.id),
                "member": payloads.member(guild.members[user.id]),
                "presence": None,
            }
            for user in added
            if user.id in guild.members
        ]
    if removed:
        payload["removed_member_ids"] = [str(user.id) for user in removed]
    messages.announce(world, "THREAD_MEMBERS_UPDATE", thread, payload)
