"""The emulated Slack as the page sees it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from adapters.emulators.slack import Change, Delivery, Ephemeral, Message, Settings, SlackEmulator
from adapters.emulators.slack import SlackError as SlackRefusal
from adapters.emulators.slack.web_api.streams import is_live
from adapters.emulators.slack.wire import stored_json
from bots.demo.files import File
from bots.demo.pane import Json, Refusal, Tell, text_in
from bots.demo.policies import Policies

COMMAND = "/parley"
PEOPLE_TEXT = 12_000
"""Characters a person may write in one message; Slack's own client cuts off somewhere beyond."""
RATE_LIMITED_S = 5
WORKING = "processing"
"""Of an agent session: Slack shows its own Stop button then."""
STOP = "octagonal_sign"

_VERBS = (
    ("ask", "question", "Ask in the open, in a thread of its own"),
    ("usage", "", "What was used, and what it cost"),
    ("stop", "", "Stop the answer that is being written"),
    ("reset", "", "Forget our conversation here"),
    ("help", "", "What Parley can do"),
)


def peopled_slack() -> SlackEmulator:
    """A workspace with Grace in it as well, and Parley in both channels.

    The seed is new each time: it makes the ids of messages, and the store remembers those of earlier demos.
    """
    slack = SlackEmulator(settings=Settings(seed=secrets.randbits(64)))
    slack.workspace.team = replace(slack.workspace.team, name="Parley's friends")
    grace = slack.add_user("grace", real_name="Grace Hopper")
    for name in ("general", "random"):
        channel = slack.workspace.find_channel(name)
        assert channel is not None
        channel.members |= {grace.id, slack.bot_user_id}
    return slack


class SlackPane:
    """Implements Pane."""

    def __init__(self, slack: SlackEmulator, policies: Policies) -> None:
        self._slack = slack
        self._policies = policies
        self._edits = 0
        self._people = [user for user in slack.workspace.users.values() if not user.is_bot and user.id != "USLACKBOT"]
        self._dms = {person.id: slack.dm(person.id) for person in self._people}
        self._told_counts: Json = {}
        slack.subscribe(self._count)

    @property
    def platform(self) -> str:
        return "slack"

    def snapshot(self) -> Json:
        workspace = self._slack.workspace
        shown = [self._message(message) for channel in workspace.channels for message in workspace.messages(channel)]
        shown += [self._whisper(note) for note in workspace.ephemerals if not note.deleted]
        return {
            "workspace": workspace.team.name,
            "people": [
                {"id": one.id, "name": one.real_name, "handle": one.name, "admin": one.is_admin, "guest": _guest(one)}
                for one in self._people
            ],
            "bot": {"id": self._slack.bot_user_id, "name": "Parley"},
            "channels": [
                {
                    "id": one.id,
                    "name": one.name,
                    "members": sorted(one.members),
                    "policy": self._policies.of(one.id),
                }
                for one in workspace.channels.values()
                if one.kind == "channel"
            ],
            "dms": self._dms,
            "commands": [{"name": COMMAND, "verb": verb, "hint": hint, "about": about} for verb, hint, about in _VERBS],
            "messages": sorted(shown, key=lambda one: str(one["id"])),
            "statuses": [
                {"channel": channel, "thread": thread, "text": status.text}
                for channel, thread in self._slack.core.statuses
                if (status := self._slack.status(channel, thread)) and status.text
            ],
            "working": [
                {"channel": channel, "thread": thread}
                for (channel, thread), status in self._slack.core.sessions.items()
                if status == WORKING
            ],
            "counts": self._counts(),
        }

    def follow(self, tell: Tell) -> Callable[[], None]:
        def listener(change: Change) -> None:
            for told in self._changes(change):
                tell({"platform": "slack", **told})

        ends = (self._slack.subscribe(listener), self._policies.follow(tell))

        def end() -> None:
            for one in ends:
                one()

        return end

    def file(self, name: str) -> File | None:
        found = self._slack.workspace.files.get(name)
        return File(found.title or found.name, found.content) if found is not None and found.complete else None

    async def act(self, act: Mapping[str, Any]) -> str:
        user, channel = text_in(act, "user"), text_in(act, "channel")
        try:
            match act.get("do"):
                case "say":
                    thread = text_in(act, "thread") or None
                    await self._slack.say(user, channel, text_in(act, "text", PEOPLE_TEXT), thread)
                case "slash":
                    await self._command(user, channel, text_in(act, "text", PEOPLE_TEXT))
                case "press":
                    message, value = text_in(act, "message"), text_in(act, "value")
                    await self._press(user, channel, message, text_in(act, "action"), value)
                case "stop":
                    await self._slack.press_stop(user, channel, text_in(act, "thread"))
                case "edit":
                    await self._slack.edit_message(self._own(act, user, channel), text_in(act, "text", PEOPLE_TEXT))
                case "delete":
                    await self._slack.delete_message(self._own(act, user, channel))
                case "react":
                    await self._slack.react(user, self._there(act, channel), STOP)
                case "policy":
                    self._policies.choose(channel, text_in(act, "policy"))
                case "break":
                    return await self._break(text_in(act, "what"))
                case _:
                    raise Refusal("Slack does not know how to do that.")
        except LookupError as exc:
            raise Refusal(f"Slack refused: {exc.args[0] if exc.args else exc}.") from exc
        except SlackRefusal as exc:
            raise Refusal(f"Slack refused: {exc.error}.") from exc
        return ""

    def _there(self, act: Mapping[str, Any], channel: str) -> Message:
        message = self._slack.workspace.message(channel, text_in(act, "message"))
        if message is None or message.deleted:
            raise Refusal("That message is gone.")
        return message

    def _own(self, act: Mapping[str, Any], user: str, channel: str) -> Message:
        message = self._there(act, channel)
        if message.user != user:
            raise Refusal("That is somebody else's message.")
        return message

    async def _command(self, user: str, channel: str, text: str) -> None:
        command, _, rest = text.partition(" ")
        if command != COMMAND:
            raise Refusal(f"{command} is not a valid command here. Try {COMMAND} help.")
        if channel in self._dms.values() and channel != self._dms.get(user):
            raise Refusal("This is somebody else's direct message.")
        await self._slack.slash(user, channel, command, rest.strip())

    async def _press(self, user: str, channel: str, message: str, action: str, value: str) -> None:
        invocation = await self._slack.press(user, message, action, channel=channel, value=value)
        if invocation.error:
            raise Refusal(f"Parley did not take the click: {invocation.error}.")

    async def _break(self, what: str) -> str:
        match what:
            case "redeliver":
                await self._slack.redeliver(said := self._last_said())
                return f"Sent {_named(said)} again, event_id and all. It is acknowledged, and answered no second time."
            case "redeliver-new-id":
                await self._slack.redeliver_as_new_event_id(said := self._last_said())
                return f"Sent {_named(said)} again under a new event_id. It is known all the same."
            case "drop":
                await self._slack.drop_connections()
                return "Cut the Socket Mode connection without a word. Parley connects again."
            case "rate-limit":
                self._slack.rate_limit("chat.update", RATE_LIMITED_S, RATE_LIMITED_S)
                return f"chat.update answers 429 for {RATE_LIMITED_S} seconds. The answer waits; nothing of it is lost."
            case _:
                raise Refusal("There is no such thing to break.")

    def _last_said(self) -> Delivery:
        """The newest event in which a person said something."""
        people = {person.id for person in self._people}
        for delivery in reversed(self._slack.deliveries("events_api")):
            event = delivery.payload.get("event", {})
            if event.get("type") in ("message", "app_mention") and event.get("user") in people:
                return delivery
        raise Refusal("Nobody has said anything yet. Write a message first.")

    def _count(self, change: Change) -> None:
        if change.kind == "edit" and (message := self._found(change)) and message.user == self._slack.bot_user_id:
            self._edits += 1

    def _counts(self) -> Json:
        return {
            "edits": self._edits,
            "limited": sum(self._slack.rate_limited.values()),
            "connected": self._slack.connections > 0,
        }

    def _changes(self, change: Change) -> list[Json]:
        told: list[Json] = []
        if change.kind in ("message", "edit", "reaction") and (message := self._found(change)):
            told += self._with_thread(message)
        elif change.kind == "delete":
            told.append({"type": "gone", "channel": change.channel, "id": change.ts})
        elif change.kind == "ephemeral":
            told += self._whispers(change)
        elif change.kind == "status" and change.channel and change.ts:
            told.append(self._status(change.channel, change.ts))
        elif change.kind == "session" and change.channel and change.ts:
            told.append(self._session(change.channel, change.ts))
        told.append({"type": "counts", "counts": self._counts()})
        return told

    def _with_thread(self, message: Message) -> list[Json]:
        """The message, its thread's root, which counts replies, and the status a post has taken away."""
        told = [{"type": "message", "message": self._message(message)}]
        root = self._slack.workspace.message(message.channel, message.root)
        if root is not None and root is not message:
            told.append({"type": "message", "message": self._message(root)})
            told.append(self._status(message.channel, root.ts))
        return told

    def _whispers(self, change: Change) -> list[Json]:
        for note in self._slack.workspace.ephemerals:
            if (note.channel, note.ts) == (change.channel, change.ts):
                if note.deleted:
                    return [{"type": "gone", "channel": note.channel, "id": note.ts}]
                return [{"type": "message", "message": self._whisper(note)}]
        if message := self._found(change):  # an answer to a button may replace a message, too
            return self._with_thread(message)
        return []

    def _status(self, channel: str, thread: str) -> Json:
        status = self._slack.status(channel, thread)
        return {"type": "status", "channel": channel, "thread": thread, "text": status.text if status else ""}

    def _session(self, channel: str, thread: str) -> Json:
        working = self._slack.core.sessions.get((channel, thread)) == WORKING
        return {"type": "session", "channel": channel, "thread": thread, "working": working}

    def _found(self, change: Change) -> Message | None:
        return self._slack.workspace.message(change.channel or "", change.ts or "")

    def _message(self, message: Message) -> Json:
        return {
            "id": message.ts,
            "channel": message.channel,
            "thread": message.thread_ts if message.thread_ts != message.ts else None,
            "user": message.user,
            "at": float(message.ts),
            "streaming": message.stream is not None and is_live(self._slack.core, message.stream),
            "wire": stored_json(self._slack.core, message, metadata=False),
            "files": [file.about(str(one["id"])) for one in message.files if (file := self.file(str(one["id"])))],
        }

    def _whisper(self, note: Ephemeral) -> Json:
        return {
            "id": note.ts,
            "channel": note.channel,
            "thread": note.thread_ts,
            "user": note.sender or self._slack.bot_user_id,
            "only_for": note.user,
            "at": float(note.ts),
            "wire": {"text": note.text, "blocks": note.blocks},
        }


def _guest(user: Any) -> bool:
    return bool(user.is_restricted or user.is_ultra_restricted)


def _named(delivery: Delivery) -> str:
    return f"the last {delivery.event_type.replace('_', ' ')}"
