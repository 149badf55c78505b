"""What people do in the workspace, and what Slack then sends the app."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from adapters.emulators.slack import events, posting
from adapters.emulators.slack.deliveries import Delivery
from adapters.emulators.slack.errors import SlackError
from adapters.emulators.slack.response_urls import ResponseUrl
from adapters.emulators.slack.web_api.files import file_json, new_file
from adapters.emulators.slack.web_api.streams import is_live
from adapters.emulators.slack.wire import message_json, wire_text
from adapters.emulators.slack.workspace import Channel, Ephemeral, Json, Message, User

if TYPE_CHECKING:
    from adapters.emulators.slack.core import Core

_MENTION = re.compile(r"<@(?P<id>[UW]\w+)>|(?<![\w@])@(?P<name>[A-Za-z][\w-]*)")
_PIECE = re.compile(r"<@(?P<user>\w+)>|<!(?P<broadcast>\w+)>|<(?P<url>https?://[^>|]+)(?:\|[^>]*)?>")
_BROADCASTS = frozenset({"channel", "here", "everyone"})
_NOT_ACKNOWLEDGED = {"timeout": "operation_timeout", "http_timeout": "operation_timeout"}


@dataclass(slots=True)
class Invocation:
    """A slash command or a click on its way. ack: what the acknowledgement carried; responses: bodies posted to
    its response_url; shown: the messages and ephemerals that came of both; error: what Slackbot told the person."""

    delivery: Delivery
    reply_to: ResponseUrl
    error: str | None = None
    notes: list[Ephemeral] = field(default_factory=list)

    @property
    def acknowledged(self) -> bool:
        return self.delivery.acknowledged

    @property
    def ack(self) -> Json | None:
        return self.delivery.answer.payload if self.delivery.answer else None

    @property
    def responses(self) -> list[Json]:
        return self.reply_to.posts

    @property
    def shown(self) -> list[Message | Ephemeral]:
        return self.reply_to.shown


class Persons:
    """Acts as the people of a workspace."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def user(self, name: str) -> User:
        found = self._core.workspace.find_user(name)
        if found is None:
            raise LookupError(f"no user {name!r}")
        return found

    def channel(self, name: str) -> Channel:
        found = self._core.workspace.find_channel(name)
        if found is None:
            raise LookupError(f"no channel {name!r}")
        return found

    def say(
        self, user: str, channel: str, text: str, thread_ts: str | None, files: dict[str, bytes] | None, broadcast: bool
    ) -> Message:
        """Write a message as a person (or as another app's bot)."""
        core, author, place = self._core, self.user(user), self.channel(channel)
        if author.id not in place.members:
            raise LookupError(f"{author.name} is not in {place.name}")
        if thread_ts is not None and core.workspace.message(place.id, thread_ts) is None:
            raise LookupError(f"no message {thread_ts} in {place.name}")
        typed = self.typed(text)
        message = Message(place.id, core.workspace.new_ts(core.now()), author.id, typed, thread_ts=thread_ts)
        message.blocks = [rich_text(core.workspace.new_id("r"), typed)] if typed else []
        message.made_blocks = True
        if author.is_bot:
            message.bot_id, message.app_id = author.bot_id, author.app_id
        else:
            message.client_msg_id = str(uuid.UUID(int=core.random.getrandbits(128), version=4))
            message.unfurl_links = True
        if files:
            stored = [new_file(core, name, len(content), author.id, content) for name, content in files.items()]
            message.files = [file_json(core, file) for file in stored]
            message.subtype = "file_share"
        if broadcast and thread_ts:
            message.subtype = "thread_broadcast"
        return posting.post(core, message, core.parsing("none", False))

    def typed(self, text: str) -> str:
        """Return what Slack's client sends for typed text: names become ids, addresses get brackets, `& < >` escape."""

        def name(match: re.Match[str]) -> str:
            if match["id"]:
                return match[0]
            if match["name"].lower() in _BROADCASTS:
                return f"<!{match['name'].lower()}>"
            found = self._core.workspace.find_user(match["name"])
            return f"<@{found.id}>" if found else match[0]

        return wire_text(_MENTION.sub(name, text))

    def edit(self, message: Message, text: str) -> None:
        core = self._core
        before = posting.before_edit(core, message)
        message.text = self.typed(text)
        message.blocks = [rich_text(core.workspace.new_id("r"), message.text)]
        message.edited = core.workspace.new_ts(core.now())
        posting.edit(core, message, before, core.parsing("none", False))

    def slash(self, user: str, channel: str, command: str, text: str) -> Invocation:
        """Send a slash command; there is no thread in its payload, as on Slack."""
        core, author, place = self._core, self.user(user), self.channel(channel)
        reply_to = core.response_urls.issue(author.id, place.id)
        private = {"im": "directmessage", "group": "privategroup"}
        payload: Json = {"token": core.identity.verification_token, "team_id": core.identity.team_id}
        payload |= {"team_domain": core.workspace.team.domain, "channel_id": place.id, "command": command}
        payload |= {"channel_name": private.get(place.kind, place.name), "user_id": author.id}
        payload |= {"user_name": author.name, "text": self._escaped(text), "api_app_id": core.identity.app_id}
        payload |= {"is_enterprise_install": "false", "response_url": reply_to.url}
        payload["trigger_id"] = core.new_trigger(author.id)
        delivery = core.dispatcher.start("slash_commands", payload, accepts_response=True)
        invocation = Invocation(delivery, reply_to)
        delivery.on_ack = lambda answer: self._show_ack(invocation, answer)
        return invocation

    def _show_ack(self, invocation: Invocation, payload: Json | None) -> None:
        """Show what came with the acknowledgement of a command."""
        core, target = self._core, invocation.reply_to
        if not payload:
            return
        try:
            core.response_urls.show(target, payload)
        except SlackError as refused:
            invocation.error = refused.error
            text = f"The response was refused: `{refused.error}`"
            invocation.notes.append(posting.slackbot_says(core, target.channel, target.user, text))

    def _escaped(self, text: str) -> str:
        def named(match: re.Match[str]) -> str:
            user = self._core.workspace.users.get(match[1])
            return f"<@{match[1]}|{user.name}>" if user else match[0]

        return re.sub(r"<@(\w+)>", named, self.typed(text))

    def press(self, user: str, message: Message | Ephemeral, action_id: str, value: str | None) -> Invocation:
        """Click the element with `action_id`. value: which side of feedback_buttons, or which option."""
        core, author = self._core, self.user(user)
        block, element = _find(message.blocks, action_id)
        place = core.workspace.channels[message.channel]
        hidden = isinstance(message, Ephemeral)
        reply_to = core.response_urls.issue(author.id, place.id, message)
        container: Json = {"type": "message", "message_ts": message.ts, "channel_id": place.id, "is_ephemeral": hidden}
        if message.thread_ts:
            container["thread_ts"] = message.thread_ts
        payload = self._interaction("block_actions", author) | {"container": container, "response_url": reply_to.url}
        payload |= {"channel": {"id": place.id, "name": place.name}, "state": {"values": {}}}
        if isinstance(message, Message):
            payload["message"] = message_json(core, message)
        payload["actions"] = [self._action(block, element, value)]
        return Invocation(core.dispatcher.start("interactive", payload), reply_to)

    def _action(self, block: Json, element: Json, value: str | None) -> Json:
        kept = ("type", "text", "value", "style", "url")
        action: Json = {key: element[key] for key in kept if key in element}
        action |= {"action_id": element["action_id"], "block_id": block.get("block_id", "")}
        if element["type"] == "feedback_buttons":
            sides = [element["positive_button"], element["negative_button"]]
            chosen = next((side for side in sides if value in {None, side["value"]}), None)
            if chosen is None:
                raise LookupError(f"no feedback button with the value {value!r}")
            action |= {"value": chosen["value"], "text": chosen["text"]}
        elif "options" in element:
            chosen = next(one for one in element["options"] if value in {None, one["value"]})
            action["selected_option"] = chosen
        return action | {"action_ts": self._core.workspace.new_ts(self._core.now())}

    def press_home(self, user: str, action_id: str) -> Invocation:
        """Click an element of somebody's Home tab: a view for container, no message and no response_url."""
        core, author = self._core, self.user(user)
        view = core.workspace.homes.get(author.id)
        if view is None:
            raise LookupError(f"{author.name} has no Home tab")
        block, element = _find(view.view["blocks"], action_id)
        payload = self._interaction("block_actions", author) | {"view": view.view, "state": {"values": {}}}
        payload |= {"container": {"type": "view", "view_id": view.id}}
        payload["actions"] = [self._action(block, element, None)]
        return self._without_url(core.dispatcher.start("interactive", payload), author)

    def submit(self, user: str, values: Json) -> Invocation:
        """Submit the modal opened last for this person. values: block_id to action_id to the element's state."""
        core, author = self._core, self.user(user)
        mine = [view for view in core.workspace.modals if view.user == author.id]
        if not mine:
            raise LookupError(f"no modal is open for {author.name}")
        core.workspace.modals.remove(mine[-1])
        view = mine[-1].view | {"state": {"values": values}}
        payload = self._interaction("view_submission", author) | {"view": view, "response_urls": []}
        return self._without_url(core.dispatcher.start("interactive", payload, accepts_response=True), author)

    def _without_url(self, delivery: Delivery, user: User) -> Invocation:
        place = self._core.workspace.direct(user.id, self._core.bot.id, self._core.now())
        return Invocation(delivery, ResponseUrl("", user.id, place.id, self._core.now()))

    def shortcut(self, user: str, callback_id: str, message: Message) -> Invocation:
        """Use a message shortcut on `message`."""
        core, author = self._core, self.user(user)
        place = core.workspace.channels[message.channel]
        reply_to = core.response_urls.issue(author.id, place.id, message)
        payload = self._interaction("message_action", author) | {"callback_id": callback_id}
        payload |= {"channel": {"id": place.id, "name": place.name}, "response_url": reply_to.url}
        payload |= {"message_ts": message.ts, "message": message_json(core, message)}
        payload["action_ts"] = core.workspace.new_ts(core.now())
        return Invocation(core.dispatcher.start("interactive", payload), reply_to)

    def _interaction(self, kind: str, user: User) -> Json:
        core = self._core
        person = {"id": user.id, "username": user.name, "name": user.name, "team_id": user.team_id}
        team = {"id": core.identity.team_id, "domain": core.workspace.team.domain}
        body: Json = {"type": kind, "user": person, "team": team, "api_app_id": core.identity.app_id}
        body |= {"token": core.identity.verification_token, "trigger_id": core.new_trigger(user.id)}
        return body | {"enterprise": None, "is_enterprise_install": False}

    async def settle(self, invocation: Invocation) -> None:
        """Wait until it is acknowledged or given up; then Slackbot tells the person that it failed."""
        core = self._core
        await invocation.delivery.ended.wait()
        target = invocation.reply_to
        answer = invocation.delivery.answer
        if answer is not None and not answer.acknowledged:
            invocation.error = _NOT_ACKNOWLEDGED.get(answer.reason, "dispatch_failed")
            if not invocation.delivery.attempts[-1].where:
                invocation.error = "dispatch_failed"
            what = str(invocation.delivery.payload.get("command", "This app"))
            text = f"{what} did not respond: `{invocation.error}`"
            invocation.notes.append(posting.slackbot_says(core, target.channel, target.user, text))

    def stop(self, user: str, channel: Channel, thread_ts: str) -> None:
        """Press Slack's own Stop button of an agent session."""
        core = self._core
        streaming: list[str] = []
        for message in core.workspace.thread(channel.id, thread_ts):
            if message.stream is not None and is_live(core, message.stream):
                message.stream.stopped_by_user = True
                streaming.append(message.ts)
        event = events.session_stopped(core, self.user(user).id, channel.id, thread_ts, streaming)
        core.dispatcher.publish(event, None)


def rich_text(block_id: str, text: str) -> Json:
    """Return the rich_text block Slack's client makes of typed text: mentions, broadcasts and links as elements."""
    elements: list[Json] = []
    at = 0
    for match in _PIECE.finditer(text):
        if match.start() > at:
            elements.append({"type": "text", "text": _plain(text[at : match.start()])})
        if match["user"]:
            elements.append({"type": "user", "user_id": match["user"]})
        elif match["broadcast"]:
            elements.append({"type": "broadcast", "range": match["broadcast"]})
        else:
            elements.append({"type": "link", "url": match["url"]})
        at = match.end()
    if at < len(text) or not elements:
        elements.append({"type": "text", "text": _plain(text[at:])})
    section = {"type": "rich_text_section", "elements": elements}
    return {"type": "rich_text", "block_id": block_id, "elements": [section]}


def _plain(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _find(blocks: list[Json], action_id: str) -> tuple[Json, Json]:
    for block in blocks:
        candidates: list[Any] = [*block.get("elements", []), block.get("accessory")]  # Any: Block Kit JSON
        for element in candidates:
            if isinstance(element, dict) and element.get("action_id") == action_id:
                return block, element
    raise LookupError(f"no element with the action_id {action_id!r}")
