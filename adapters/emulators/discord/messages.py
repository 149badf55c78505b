"""What happens to messages: posting, editing, deleting, reacting. Every change is announced on the hub.

Nothing here asks who may do it; `rest` does for the bot, and people act as they please.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import payloads, permissions, threads
from .drafts import Draft
from .errors import Json, form_error, refusal
from .events import Event, intent_of
from .mentions import Mentions, mentions_of, unfurls_of
from .permissions import Permission
from .state import DEFAULT, PINNED_NOTICE, PLAIN_TYPES, REPLY, Channel, Message, Shown, User, World


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a message comes from, beside its author: an interaction, a thread's making, or nothing special."""

    type: int | None = None
    message_id: int | None = None
    interaction: Json | None = None
    webhook_id: int | None = None
    ephemeral_for: int | None = None
    flags: int = 0
    snapshots: tuple[Json, ...] = ()


PLAIN = Origin()


def announce(world: World, name: str, channel: Channel, payload: Json, *, visible: bool = True) -> None:
    """Publish dispatch `name` about something in `channel`; the bot hears it if it sees the channel."""
    in_guild = channel.guild_id is not None
    heard = visible and permissions.sees(world, channel, world.bot.id)
    world.hub.publish(Event(name, payload, channel.guild_id, intent_of(name, guild=in_guild), heard))


def announce_message(world: World, name: str, message: Message) -> None:
    """Publish a MESSAGE_CREATE or MESSAGE_UPDATE. Ephemeral messages reach no gateway."""
    channel = world.channels[message.channel_id]
    payload = payloads.message_event(world, message)
    if name == "MESSAGE_CREATE" and message.nonce is not None:
        payload["nonce"] = message.nonce
    announce(world, name, channel, payload, visible=not message.ephemeral)


def create_message(world: World, channel: Channel, author: User, draft: Draft, origin: Origin = PLAIN) -> Message:
    """Post `draft`. Raises ApiError 50006 if nothing would be shown, 50035 for a reference that leads nowhere."""
    replied_to, reference = _reference(world, channel, draft.reference)
    message = Message(
        id=origin.message_id or world.ids.new(),
        channel_id=channel.id,
        author=author,
        created_at=world.now(),
        flags=(draft.flags or 0) | origin.flags,
        type=_type(origin, reference),
        nonce=draft.nonce,
        reference=reference,
        tts=draft.tts,
        interaction=origin.interaction,
        webhook_id=origin.webhook_id,
        ephemeral_for=origin.ephemeral_for,
        snapshots=list(origin.snapshots),
    )
    message.content = draft.content or ""
    message.embeds = draft.embeds or []
    message.components = draft.components or []
    message.attachments = draft.attachments or []
    if not message.loading and message.type in PLAIN_TYPES:
        refuse_empty(message)
    mentions = mentions_of(world, channel, author.id, message.content, draft.allowed, replied_to)
    _set_mentions(message, mentions)
    world.messages.setdefault(channel.id, {})[message.id] = message
    _remember(world, message, mentions.pings)
    if not message.ephemeral:
        channel.last_message_id = message.id
        threads.count_message(world, channel, message)
    announce_message(world, "MESSAGE_CREATE", message)
    if not message.ephemeral:
        threads.join_with_message(world, channel, message, mentions)
    return message


def edit_message(world: World, message: Message, draft: Draft, *, stamp: bool = True) -> Message:
    """Change what `draft` names. Mentions are worked out anew when the content is named.

    Raises ApiError 50006, with the message unchanged, if nothing would be left of it.
    """
    before = (message.content, message.embeds, message.components, message.attachments, message.flags)
    message.content = message.content if draft.content is None else draft.content
    message.embeds = message.embeds if draft.embeds is None else draft.embeds
    message.components = message.components if draft.components is None else draft.components
    message.attachments = message.attachments if draft.attachments is None else draft.attachments
    message.flags = message.flags if draft.flags is None else draft.flags
    try:
        refuse_empty(message)
    except Exception:
        message.content, message.embeds, message.components, message.attachments, message.flags = before
        raise
    pings: list[str] = []
    if draft.content is not None:
        channel = world.channels[message.channel_id]
        replied_to, _ = _reference(world, channel, message.reference, strict=False)
        mentions = mentions_of(world, channel, message.author.id, message.content, draft.allowed, replied_to)
        _set_mentions(message, mentions)
        pings = mentions.pings
    if stamp:
        message.edited_at = world.now()
    _remember(world, message, pings)
    announce_message(world, "MESSAGE_UPDATE", message)
    return message


def delete_message(world: World, message: Message) -> None:
    """Take `message` away. It stays in the records, marked deleted."""
    message.deleted = True
    channel = world.channels[message.channel_id]
    if channel.thread and not message.ephemeral:
        channel.thread.message_count = max(0, channel.thread.message_count - 1)
    announce(world, "MESSAGE_DELETE", channel, _place(channel, id=message.id), visible=not message.ephemeral)


def delete_messages(world: World, channel: Channel, messages: list[Message]) -> None:
    """Take several away in one event."""
    for message in messages:
        message.deleted = True
    payload = _place(channel)
    announce(world, "MESSAGE_DELETE_BULK", channel, {**payload, "ids": [str(one.id) for one in messages]})


def react(world: World, message: Message, user: User, emoji: str) -> None:
    """Let `user` react. Twice the same is once. Raises ApiError 30010 for a 21st emoji."""
    if emoji not in message.reactions and len(message.reactions) >= 20:
        raise refusal(30010)
    people = message.reactions.setdefault(emoji, [])
    if user.id in people:
        return
    people.append(user.id)
    _announce_reaction(world, "MESSAGE_REACTION_ADD", message, user, emoji)


def unreact(world: World, message: Message, user: User, emoji: str) -> None:
    """Take the reaction of `user` back, if there is one."""
    people = message.reactions.get(emoji, [])
    if user.id not in people:
        return
    people.remove(user.id)
    if not people:
        del message.reactions[emoji]
    _announce_reaction(world, "MESSAGE_REACTION_REMOVE", message, user, emoji)


def pin(world: World, message: Message, user: User, *, pinned: bool) -> None:
    """Pin or unpin; a pin is followed by the notice people see. Raises ApiError 30003 for a 51st pin."""
    channel = world.channels[message.channel_id]
    held = [one for one in world.in_channel(channel.id) if one.pinned_at is not None]
    if pinned and message.pinned_at is None and len(held) >= 50:
        raise refusal(30003)
    message.pinned_at = world.now() if pinned else None
    announce_message(world, "MESSAGE_UPDATE", message)
    stamp = payloads.iso(world.now()) if pinned else None
    announce(world, "CHANNEL_PINS_UPDATE", channel, {**_place(channel), "last_pin_timestamp": stamp})
    if pinned:
        reference = {"message_id": str(message.id), "channel_id": str(channel.id)}
        create_message(world, channel, user, Draft(reference=reference), Origin(type=PINNED_NOTICE))


def typing(world: World, channel: Channel, user: User) -> None:
    """Show that `user` types, for ten seconds or until they post."""
    payload = {**_place(channel), "user_id": str(user.id), "timestamp": int(world.now())}
    if channel.guild_id and (member := world.guilds[channel.guild_id].members.get(user.id)):
        payload["member"] = payloads.member(member)
    announce(world, "TYPING_START", channel, payload)


def refuse_empty(message: Message) -> None:
    """Raises ApiError 50006 for a message nobody could see."""
    if not (message.snapshots or message.content or message.embeds or message.components or message.attachments):
        raise refusal(50006)


def _reference(
    world: World, channel: Channel, reference: Json | None, *, strict: bool = True
) -> tuple[Message | None, Json | None]:
    """The message replied to and the reference as kept. Raises ApiError 50035 if it is gone and that matters.

    Source: "Message Reference": `fail_if_not_exists` is true when left out; if false, the message is sent as a
    normal one.
    """
    if not reference or not reference.get("message_id"):
        return None, None
    channel_id = int(reference.get("channel_id") or channel.id)
    found = world.find(channel_id, int(reference["message_id"]))
    kept = {"type": int(reference.get("type") or 0), "channel_id": str(channel_id)}
    kept["message_id"] = str(reference["message_id"])
    if channel.guild_id:
        kept["guild_id"] = str(channel.guild_id)
    if found is not None or not strict:
        return found, kept
    if reference.get("fail_if_not_exists", True):
        raise form_error(("message_reference",), "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
    return None, None


def _type(origin: Origin, reference: Json | None) -> int:
    if origin.type is not None:
        return origin.type
    return REPLY if reference else DEFAULT


def _set_mentions(message: Message, mentions: Mentions) -> None:
    message.mention_user_ids = mentions.user_ids
    message.mention_role_ids = mentions.role_ids
    message.mention_everyone = mentions.everyone


def _remember(world: World, message: Message, pings: list[str]) -> None:
    channel = world.channels[message.channel_id]
    may_embed = permissions.can(world, channel, message.author.id, Permission.EMBED_LINKS)
    message.history.append(
        Shown(
            at=world.now(),
            content=message.content,
            embeds=message.embeds,
            components=message.components,
            flags=message.flags,
            pings=pings,
            unfurls=unfurls_of(message.content, message.flags, may_embed=may_embed or message.webhook_id is not None),
            attachments=message.attachments,
        )
    )


def _announce_reaction(world: World, name: str, message: Message, user: User, emoji: str) -> None:
    channel = world.channels[message.channel_id]
    payload = {
        **_place(channel),
        "user_id": str(user.id),
        "message_id": str(message.id),
        "emoji": payloads.emoji(emoji),
        "burst": False,
        "type": 0,
    }
    if name == "MESSAGE_REACTION_ADD":
        payload["message_author_id"] = str(message.author.id)
        if channel.guild_id and (member := world.guilds[channel.guild_id].members.get(user.id)):
            payload["member"] = payloads.member(member)
    announce(world, name, channel, payload)


def _place(channel: Channel, **ids: int) -> Json:
    body: Json = {"channel_id": str(channel.id), **{key: str(value) for key, value in ids.items()}}
    return {**body, "guild_id": str(channel.guild_id)} if channel.guild_id else body
