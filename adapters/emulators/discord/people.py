"""What people do: talk, edit, delete, react, use commands and buttons. The bot hears of it as from Discord.

Everywhere a user is a `User`, an id or a name ("ada"); a channel is a `Channel`, an id or a name ("general",
"#general"). People are not held to permissions; give them only what they could do.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import commands, interactions, messages, payloads, permissions, threads
from .components import each
from .drafts import Draft, Upload
from .errors import Json
from .handles import InteractionHandle
from .interactions import Interaction, Interactions
from .mentions import AllowedMentions
from .options import resolved_for, supplied
from .state import FORUM, SUPPRESS_EMBEDS, Attachment, Channel, Command, Message, User, World

UserLike = User | int | str
ChannelLike = Channel | int | str
_AT_NAME = re.compile(r"(?<![\w<@&!])@(\w+)")


class People(ABC):
    """The acts of people. `DiscordEmulator` is one of these."""

    world: World
    interactions: Interactions

    @abstractmethod
    async def wait_for(self, predicate: Callable[[], Any], timeout: float = 5.0) -> Any:
        """Wait until `predicate()` is true."""

    def user(self, one: UserLike) -> User:
        """Raises KeyError for nobody."""
        if isinstance(one, User):
            return one
        for user in self.world.users.values():
            if user.id == one or (
                isinstance(one, str) and one.lstrip("@").lower() in (user.name.lower(), str(user.id))
            ):
                return user
        raise KeyError(f"no user {one!r}")

    def channel(self, one: ChannelLike) -> Channel:
        """Raises KeyError for no channel. Of two with one name, the older."""
        if isinstance(one, Channel):
            return self.world.channels[one.id]
        for key, channel in sorted(self.world.channels.items()):
            if key == one or (isinstance(one, str) and one.lstrip("#") in (channel.name, str(key))):
                return channel
        raise KeyError(f"no channel {one!r}")

    async def say(
        self,
        user: UserLike,
        channel: ChannelLike,
        text: str,
        reply_to: Message | None = None,
        attachments: Sequence[tuple[str, bytes]] | None = None,
    ) -> Message:
        """Post as a person. "@Parley" and "@ada" become mentions. `attachments` are (file name, content)."""
        place = self.channel(channel)
        reference = {"message_id": str(reply_to.id), "channel_id": str(reply_to.channel_id)} if reply_to else None
        draft = Draft(content=self._written(text), reference=reference, attachments=self._uploaded(attachments))
        message = messages.create_message(self.world, place, self.user(user), draft)
        await asyncio.sleep(0)
        return message

    async def direct(
        self, user: UserLike, text: str, attachments: Sequence[tuple[str, bytes]] | None = None
    ) -> Message:
        """Write to the bot in a direct message."""
        return await self.say(user, self.direct_channel(user), text, attachments=attachments)

    def direct_channel(self, user: UserLike) -> Channel:
        return self.world.direct_channel(self.user(user))

    async def forward(self, user: UserLike, message: Message, channel: ChannelLike) -> Message:
        """Forward a message: the copy has no text of its own, but a snapshot."""
        reference = {"type": 1, "message_id": str(message.id), "channel_id": str(message.channel_id)}
        origin = messages.Origin(type=0, snapshots=(payloads.snapshot(self.world, message),))
        draft = Draft(reference=reference, allowed=AllowedMentions(replied_user=False))
        posted = messages.create_message(self.world, self.channel(channel), self.user(user), draft, origin)
        await asyncio.sleep(0)
        return posted

    async def open_thread(
        self, user: UserLike, channel: ChannelLike | Message, name: str, text: str | None = None
    ) -> Channel:
        """Open a thread as a person: of a message, in a channel, or, with a text, a post in a forum."""
        owner = self.user(user)
        if isinstance(channel, Message):
            thread = threads.open_from_message(self.world, channel, owner, name, 1440)
        elif (parent := self.channel(channel)).type == FORUM:
            draft = Draft(content=self._written(text or name))
            return threads.open_post(self.world, parent, owner, name, 1440, [], draft)[0]
        else:
            thread = threads.open_alone(self.world, parent, owner, name, 11, 1440)
        if text is not None:
            await self.say(owner, thread, text)
        await asyncio.sleep(0)
        return thread

    async def edit_message(self, message: Message, text: str) -> Message:
        """Let the author edit it."""
        messages.edit_message(self.world, message, Draft(content=self._written(text)))
        await asyncio.sleep(0)
        return message

    async def delete_message(self, message: Message) -> None:
        """Let the author, or for a bot's message a moderator, delete it."""
        messages.delete_message(self.world, message)
        await asyncio.sleep(0)

    async def suppress_previews(self, message: Message) -> None:
        """Let somebody close the link previews of a message."""
        messages.edit_message(self.world, message, Draft(flags=message.flags | SUPPRESS_EMBEDS), stamp=False)
        await asyncio.sleep(0)

    async def react(self, user: UserLike, message: Message, emoji: str) -> None:
        messages.react(self.world, message, self.user(user), emoji)
        await asyncio.sleep(0)

    async def unreact(self, user: UserLike, message: Message, emoji: str) -> None:
        messages.unreact(self.world, message, self.user(user), emoji)
        await asyncio.sleep(0)

    async def type(self, user: UserLike, channel: ChannelLike) -> None:
        """Show that a person is writing."""
        messages.typing(self.world, self.channel(channel), self.user(user))
        await asyncio.sleep(0)

    async def slash(
        self, user: UserLike, channel: ChannelLike, name: str, options: Mapping[str, Any] | None = None
    ) -> InteractionHandle:
        """Use a command, "ask" or "parley usage". Raises LookupError for one that was never registered, ValueError for
        options the client would not let through, PermissionError for a command this person or place does not get.
        """
        place, person = self.channel(channel), self.user(user)
        command, path = self._command(person, place, name.split(), commands.CHAT_INPUT)
        given = supplied(command.body.get("options") or [], path, dict(options or {}))
        data: Json = {"id": str(command.id), "name": command.name, "type": 1}
        data |= {"options": given} if given else {}
        if resolved := resolved_for(self.world, place, given):
            data["resolved"] = resolved
        return await self._interact(interactions.COMMAND, person, place, self._with_guild(command, data))

    async def autocomplete(
        self, user: UserLike, channel: ChannelLike, name: str, focused: str, text: str
    ) -> InteractionHandle:
        """Type `text` into option `focused` of a command; the choices come to the handle."""
        place, person = self.channel(channel), self.user(user)
        command, path = self._command(person, place, name.split(), commands.CHAT_INPUT)
        given = supplied(command.body.get("options") or [], path, {focused: text}, focused=focused)
        data = {"id": str(command.id), "name": command.name, "type": 1, "options": given}
        return await self._interact(interactions.AUTOCOMPLETE, person, place, self._with_guild(command, data))

    async def menu(
        self, user: UserLike, target: Message | User, name: str, channel: ChannelLike = "general"
    ) -> InteractionHandle:
        """Use a command from the menu of a message or a person. Errors as `slash`."""
        person = self.user(user)
        on_message = isinstance(target, Message)
        place = self.channel(target.channel_id if isinstance(target, Message) else channel)
        kind = commands.MESSAGE if on_message else commands.USER
        command, _ = self._command(person, place, [name], kind)
        data: Json = {"id": str(command.id), "name": name, "type": kind, "target_id": str(target.id)}
        if isinstance(target, Message):
            data["resolved"] = {"messages": {str(target.id): payloads.message(self.world, target)}}
        else:
            data["resolved"] = resolved_for(self.world, place, [{"type": 6, "value": str(target.id)}])
        return await self._interact(interactions.COMMAND, person, place, self._with_guild(command, data))

    async def press(
        self, user: UserLike, message: Message, custom_id: str, values: Sequence[str] | None = None
    ) -> InteractionHandle:
        """Press a button, or choose `values` in a select. Raises LookupError if there is none such to press."""
        found = next((one for one in each(message.components) if one.get("custom_id") == custom_id), None)
        if found is None or found.get("disabled") or message.deleted:
            raise LookupError(f"no component {custom_id!r} to press on message {message.id}")
        if message.ephemeral and message.ephemeral_for != self.user(user).id:
            raise PermissionError("only one person sees this message")
        data: Json = {"custom_id": custom_id, "component_type": found["type"], "id": found.get("id", 0)}
        if found["type"] != 2:
            data["values"] = list(values or ())
        place = self.channel(message.channel_id)
        return await self._interact(interactions.COMPONENT, self.user(user), place, data, message)

    async def submit(self, user: UserLike, form: InteractionHandle, values: Mapping[str, str]) -> InteractionHandle:
        """Send the form a handle opened, with `values` by custom id. Raises LookupError if there is none."""
        modal = form.modal
        if modal is None:
            raise LookupError("no form was opened")
        data = {"custom_id": modal["custom_id"], "components": _filled(modal["components"], values)}
        before = form.interaction
        return await self._interact(interactions.MODAL_SUBMIT, self.user(user), before.channel, data, before.message)

    def _command(self, person: User, place: Channel, words: list[str], kind: int) -> tuple[Command, list[str]]:
        name = " ".join(words) if kind != commands.CHAT_INPUT else words[0]
        command = commands.find(self.world, name, kind, place.guild_id)
        if command is None:
            raise LookupError(f"no command {name!r} is registered here")
        self._may_use(person, place, command)
        return command, words[1:]

    def _may_use(self, person: User, place: Channel, command: Command) -> None:
        contexts = command.body.get("contexts")
        in_guild = place.guild_id is not None
        if contexts is not None and (0 if in_guild else 1) not in contexts:
            raise PermissionError(f"/{command.name} is not for this kind of channel")
        if not in_guild and command.body.get("dm_permission") is False:
            raise PermissionError(f"/{command.name} is not for direct messages")
        needed = command.body.get("default_member_permissions")
        bits = permissions.in_channel(self.world, place, person.id)
        if in_guild and needed is not None and (bits & int(needed) != int(needed) or int(needed) == 0):
            raise PermissionError(f"{person.name} is not shown /{command.name}")
        if not bits & permissions.Permission.USE_APPLICATION_COMMANDS:
            raise PermissionError(f"{person.name} may not use commands here")

    def _with_guild(self, command: Command, data: Json) -> Json:
        return {**data, "guild_id": str(command.guild_id)} if command.guild_id else data

    async def _interact(
        self, kind: int, person: User, place: Channel, data: Json, message: Message | None = None
    ) -> InteractionHandle:
        made = Interaction(
            self.world.ids.new(), secrets.token_urlsafe(64), kind, person, place, self.world.now(), {}, message
        )
        made.payload = interaction_payload(self.world, made, data)
        self.interactions.add(made)
        await asyncio.sleep(0)
        return InteractionHandle(self.world, made, self.wait_for)

    def _written(self, text: str) -> str:
        """What a client makes of a typed text: names become mentions, outer white space goes."""

        def mention(match: re.Match[str]) -> str:
            try:
                return f"<@{self.user(match.group(1)).id}>"
            except KeyError:
                return match.group(0)

        return _AT_NAME.sub(mention, text).strip()

    def _uploaded(self, files: Sequence[tuple[str, bytes]] | None) -> list[Attachment] | None:
        if not files:
            return None
        uploads = {index: Upload(name, content) for index, (name, content) in enumerate(files)}
        return Draft.parse(self.world, {}, uploads).attachments


def interaction_payload(world: World, one: Interaction, data: Json) -> Json:
    """INTERACTION_CREATE. Source: Discord "Interaction Object", docs of 2026-08-06."""
    place = one.channel
    own = permissions.in_channel(world, place, world.bot.id)
    theirs = permissions.in_channel(world, place, one.user.id)
    body: Json = {
        "id": str(one.id),
        "application_id": str(world.application_id),
        "type": one.type,
        "token": one.token,
        "version": 1,
        "data": data,
        "channel": {**payloads.channel(world, place), "permissions": str(theirs)},
        "channel_id": str(place.id),
        "app_permissions": str(own),
        "locale": "en-US",
        "entitlements": [],
        "entitlement_sku_ids": [],
        "authorizing_integration_owners": {"0": str(place.guild_id or 0)},
        "context": 0 if place.guild_id else 1,
        "attachment_size_limit": world.limits.file_bytes,
    }
    if place.guild_id is None:
        body["user"] = payloads.user(one.user)
    else:
        guild = world.guilds[place.guild_id]
        body |= {"guild_id": str(guild.id), "guild_locale": guild.locale}
        body["guild"] = {"id": str(guild.id), "locale": guild.locale, "features": []}
        body["member"] = {**payloads.member(guild.members[one.user.id]), "permissions": str(theirs)}
    if one.message is not None:
        body["message"] = payloads.message(world, one.message)
    return body


def _filled(components: list[Json], values: Mapping[str, str]) -> list[Json]:
    """The components of a form with what was typed into them."""
    result: list[Json] = []
    for one in components:
        made: Json = {key: one[key] for key in ("type", "id", "custom_id") if key in one}
        if "components" in one:
            made["components"] = _filled(one["components"], values)
        if "component" in one:
            made["component"] = _filled([one["component"]], values)[0]
        if one.get("custom_id"):
            made["value"] = values.get(one["custom_id"], one.get("value") or "")
        result.append(made)
    return result
