"""The emulated Discord as the page sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from adapters.emulators.discord import Channel, DiscordEmulator, Event, Message, User
from adapters.emulators.discord import commands as registered
from adapters.emulators.discord.errors import ApiError
from adapters.emulators.discord.payloads import message as wire_of
from bots.demo.files import File
from bots.demo.pane import Json, Refusal, Tell, text_in
from bots.demo.policies import Policies

PEOPLE_TEXT = 2000
"""Characters a person without Nitro may write ("Create Message")."""
TEXT_CHANNEL = 0
RATE_LIMITED_S = 5.0
STOP = "🛑"

_EDITS = "/messages/"


async def people_discord(discord: DiscordEmulator) -> None:
    """Let Grace join, and open everybody's direct message with Parley."""
    await discord.add_person("Grace")
    for member in discord.guild.members.values():
        if not member.user.bot:
            discord.direct_channel(member.user)


class DiscordPane:
    """Implements Pane. Owner Olga stays away."""

    def __init__(self, discord: DiscordEmulator, policies: Policies) -> None:
        self._discord = discord
        self._policies = policies
        self._edits = 0
        self._followers: list[Tell] = []
        self._last_said: Event | None = None
        self._commands: dict[str, str] = {}  # interaction id -> name of the command; a message does not tell it
        members = discord.guild.members.values()
        self._people = [one.user for one in members if not one.user.bot and one.user.id != discord.guild.owner_id]
        self._dms = {person.id: discord.direct_channel(person).id for person in self._people}
        discord.subscribe(self._note)

    @property
    def platform(self) -> str:
        return "discord"

    def snapshot(self) -> Json:
        world = self._discord.world
        return {
            "guild": self._discord.guild.name,
            "people": [
                {"id": str(one.id), "name": _name(one), "handle": one.name, "admin": self._moderates(one)}
                for one in self._people
            ],
            "bot": {"id": str(self._discord.bot_user_id), "name": world.bot.name},
            "channels": [
                {"id": str(one.id), "name": one.name, "policy": self._policies.of(str(one.id))}
                for one in world.channels.values()
                if one.type == TEXT_CHANNEL and one.guild_id == self._discord.guild_id
            ],
            "threads": [_thread(one) for one in self._discord.threads()],
            "dms": {str(person): str(channel) for person, channel in self._dms.items()},
            "commands": registered.listing(world, None),
            "messages": [self._message(one) for channel in world.channels for one in world.in_channel(channel)],
            "typing": [str(one) for one in world.channels if self._discord.is_typing(one)],
            "counts": self._counts(),
        }

    def follow(self, tell: Tell) -> Callable[[], None]:
        def listener(event: Event) -> None:
            for told in self._changes(event):
                tell({"platform": "discord", **told})

        def end() -> None:
            unsubscribe()
            unfollow()
            self._followers.remove(tell)

        unsubscribe, unfollow = self._discord.subscribe(listener), self._policies.follow(tell)
        self._followers.append(tell)
        return end

    def file(self, name: str) -> File | None:
        found = self._discord.world.attachments.get(int(name)) if name.isdecimal() else None
        return File(found.filename, found.data) if found is not None else None

    async def act(self, act: Mapping[str, Any]) -> str:
        try:
            if act.get("do") == "break":
                return await self._break(text_in(act, "what"))
            user = self._discord.user(text_in(act, "user"))
            channel = self._discord.channel(text_in(act, "channel"))
            self._may_enter(user, channel)
            match act.get("do"):
                case "say":
                    text = text_in(act, "text", PEOPLE_TEXT)
                    await self._discord.say(user, channel, text)
                case "slash":
                    await self._command(user, channel, text_in(act, "name"), act.get("options"))
                case "press":
                    await self._press(user, channel, text_in(act, "message"), text_in(act, "action"))
                case "edit":
                    await self._discord.edit_message(self._own(act, user, channel), text_in(act, "text", PEOPLE_TEXT))
                case "delete":
                    await self._discord.delete_message(self._own(act, user, channel))
                case "react":
                    await self._discord.react(user, self._there(act, channel), STOP)
                case "policy":
                    self._policies.choose(str(channel.id), text_in(act, "policy"))
                case _:
                    raise Refusal("Discord does not know how to do that.")
        except ApiError as exc:
            raise Refusal(f"Discord refused: {(exc.body or {}).get('message', 'it did not say why')}.") from exc
        except (LookupError, ValueError, PermissionError) as exc:
            raise Refusal(f"Discord refused: {exc.args[0] if exc.args else exc}.") from exc
        return ""

    def _may_enter(self, user: User, channel: Channel) -> None:
        if channel.recipients and user.id not in channel.recipients:
            raise Refusal("This is somebody else's direct message.")

    async def _command(self, user: User, channel: Channel, name: str, options: object) -> None:
        if not isinstance(options, dict) or not all(isinstance(value, str) for value in options.values()):
            raise Refusal("The page sent something that is not understood here. Reload it.")
        await self._discord.slash(user, channel, name, options)

    async def _press(self, user: User, channel: Channel, message: str, action: str) -> None:
        await self._discord.press(user, self._there({"message": message}, channel), action)

    def _there(self, act: Mapping[str, Any], channel: Channel) -> Message:
        found = self._found(str(channel.id), text_in(act, "message"))
        if found is None or found.deleted:
            raise Refusal("That message is gone.")
        return found

    def _own(self, act: Mapping[str, Any], user: User, channel: Channel) -> Message:
        message = self._there(act, channel)
        if message.author.id != user.id:
            raise Refusal("That is somebody else's message.")
        return message

    async def _break(self, what: str) -> str:
        match what:
            case "redeliver" if self._last_said is not None:
                await self._discord.redeliver(self._last_said)
                return f"Dispatched the last {self._last_said.name} again. It is known, and answered no second time."
            case "redeliver":
                raise Refusal("Nobody has said anything yet. Write a message first.")
            case "drop":
                await self._discord.drop()
                for tell in self._followers:  # a lost connection is no event
                    tell({"platform": "discord", "type": "counts", "counts": self._counts()})
                return "Closed the gateway connection. Parley resumes its session, and misses nothing."
            case "rate-limit":
                self._discord.rate_limit("PATCH /channels/*/messages/*", RATE_LIMITED_S, RATE_LIMITED_S)
                return (
                    f"Edits answer 429 for {RATE_LIMITED_S:.0f} seconds. The answer waits, and nothing of it is lost."
                )
            case _:
                raise Refusal("There is no such thing to break.")

    def _note(self, event: Event) -> None:
        bot = str(self._discord.bot_user_id)
        if event.name == "MESSAGE_CREATE" and event.visible and event.d["author"]["id"] != bot:
            if event.d["type"] in (0, 19):
                self._last_said = event
        elif event.name == "INTERACTION_CREATE":
            self._commands[event.d["id"]] = event.d["data"].get("name", "")
        elif event.name == "call" and event.d["method"] == "PATCH":
            self._edits += event.d["status"] == 200 and _EDITS in event.d["path"]

    def _counts(self) -> Json:
        return {
            "edits": self._edits,
            "limited": sum(self._discord.rate_limited.values()),
            "connected": any(one.session is not None for one in self._discord.gateway.connections),
        }

    def _changes(self, event: Event) -> list[Json]:
        told: list[Json] = []
        match event.name:
            case "MESSAGE_CREATE" | "MESSAGE_UPDATE":
                told += self._message_changes(event.d["channel_id"], event.d["id"])
            case "MESSAGE_REACTION_ADD" | "MESSAGE_REACTION_REMOVE":
                told += self._message_changes(event.d["channel_id"], event.d["message_id"])
            case "MESSAGE_DELETE":
                told.append({"type": "gone", "channel": event.d["channel_id"], "id": event.d["id"]})
            case "THREAD_CREATE" | "THREAD_UPDATE":
                told.append({"type": "thread", "thread": _thread(self._discord.channel(event.d["id"]))})
            case "THREAD_DELETE":
                told.append({"type": "thread-gone", "id": event.d["id"]})
            case "TYPING_START" if event.d["user_id"] == str(self._discord.bot_user_id):
                told.append({"type": "typing", "channel": event.d["channel_id"]})
            case "call" if event.d["path"].endswith("/commands") and event.d["method"] == "PUT":
                told.append({"type": "commands", "commands": registered.listing(self._discord.world, None)})
        told.append({"type": "counts", "counts": self._counts()})
        return told

    def _message_changes(self, channel: str, message: str) -> list[Json]:
        found = self._found(channel, message)
        if found is None:
            return []
        told = [{"type": "message", "message": self._message(found)}]
        starter = self._starter(found)  # it shows how many messages its thread has
        return told if starter is None else [*told, {"type": "message", "message": self._message(starter)}]

    def _starter(self, message: Message) -> Message | None:
        place = self._discord.world.channels[message.channel_id]
        return self._discord.world.find(place.parent_id, place.id) if place.parent_id else None

    def _found(self, channel: str, message: str) -> Message | None:
        return self._discord.world.messages.get(int(channel), {}).get(int(message))

    def _message(self, message: Message) -> Json:
        interaction = (message.interaction or {}).get("id", "")
        return {
            "id": str(message.id),
            "channel": str(message.channel_id),
            "user": str(message.author.id),
            "only_for": str(message.ephemeral_for) if message.ephemeral_for else None,
            "at": message.created_at,
            "command": self._commands.get(interaction),
            "wire": wire_of(self._discord.world, message),
            "files": [File(one.filename, one.data).about(str(one.id)) for one in message.attachments],
        }

    def _moderates(self, person: User) -> bool:
        return bool(self._discord.guild.members[person.id].role_ids)


def _name(user: User) -> str:
    return user.global_name or user.name


def _thread(channel: Channel) -> Json:
    return {
        "id": str(channel.id),
        "parent": str(channel.parent_id),
        "name": channel.name,
        "archived": channel.thread is not None and channel.thread.archived,
    }
