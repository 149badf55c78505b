"""response_url: five posts within 30 minutes, for a command or a click, without a token.

Source: docs.slack.dev/interactivity/handling-user-interaction, "message responses". By default a response is only
seen by the person who acted; `response_type: in_channel` posts it; `replace_original` and `delete_original` touch
the message the button stood on.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapters.emulators.slack import posting
from adapters.emulators.slack.blocks import check_blocks, read_blocks
from adapters.emulators.slack.errors import SlackError
from adapters.emulators.slack.limits import RESPONSE_URL_LIFETIME_S, RESPONSE_URL_POSTS
from adapters.emulators.slack.mentions import Parsing
from adapters.emulators.slack.workspace import Ephemeral, Json, Message

if TYPE_CHECKING:
    from adapters.emulators.slack.core import Core


@dataclass(slots=True)
class ResponseUrl:
    """One issued address. original: the message or ephemeral acted on; posts: the bodies that were accepted."""

    url: str
    user: str
    channel: str
    issued: float
    original: Message | Ephemeral | None = None
    thread_ts: str | None = None
    posts: list[Json] = field(default_factory=list)
    shown: list[Message | Ephemeral] = field(default_factory=list)


class ResponseUrls:
    """Issues addresses and takes what is posted to them."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._issued: dict[str, ResponseUrl] = {}

    def issue(self, user: str, channel: str, original: Message | Ephemeral | None = None) -> ResponseUrl:
        key = uuid.uuid4().hex
        url = f"{self._core.base_url}/hooks/{self._core.identity.team_id}/{key}"
        thread_ts = original.thread_ts if original else None
        self._issued[key] = ResponseUrl(url, user, channel, self._core.now(), original, thread_ts)
        return self._issued[key]

    def post(self, key: str, body: Json) -> None:
        """Take one post. Raises SlackError: expired_url, used_url, no_text, or what is wrong with the blocks."""
        target = self._issued.get(key)
        if target is None or self._core.now() - target.issued > RESPONSE_URL_LIFETIME_S:
            raise SlackError("expired_url")
        if len(target.posts) >= RESPONSE_URL_POSTS:
            raise SlackError("used_url")
        self.show(target, body)
        target.posts.append(body)

    def show(self, target: ResponseUrl, body: Json) -> None:
        """Do what `body` asks; also used for the payload of an acknowledgement."""
        if body.get("delete_original"):
            self._delete(target)
            return
        text, blocks = str(body.get("text") or ""), read_blocks(body.get("blocks") or [])
        check_blocks(blocks)
        if not text and not blocks and not body.get("attachments"):
            raise SlackError("no_text")
        if body.get("replace_original") and target.original is not None:
            self._replace(target.original, text, blocks, body)
            return
        thread_ts = str(body["thread_ts"]) if body.get("thread_ts") else None
        parsing = self._parsing(body)
        core, ts = self._core, self._core.workspace.new_ts(self._core.now())
        if body.get("response_type") == "in_channel":
            message = Message(target.channel, ts, core.bot.id, text, blocks, thread_ts, "bot_message")
            message.bot_id, message.app_id = core.bot.bot_id, core.bot.app_id
            message.unfurl_links = bool(body.get("unfurl_links", False))
            message.unfurl_media = bool(body.get("unfurl_media", True))
            target.shown.append(posting.post(core, message, parsing))
        else:
            note = Ephemeral(target.channel, target.user, ts, text, blocks, thread_ts, core.bot.id)
            target.shown.append(posting.whisper(core, note))

    def _replace(self, original: Message | Ephemeral, text: str, blocks: list[Json], body: Json) -> None:
        core, parsing = self._core, self._parsing(body)
        if isinstance(original, Message):
            before = posting.before_edit(core, original)
            original.text, original.blocks = text, blocks
            original.edited = core.workspace.new_ts(core.now())
            posting.edit(core, original, before, parsing)
        else:
            original.text, original.blocks = text, blocks
            original.history.append(posting.shown(core, text, blocks, parsing, links=False, media=False))
            core.changed("ephemeral", original.channel, original.ts)

    def _delete(self, target: ResponseUrl) -> None:
        if isinstance(target.original, Message):
            posting.delete(self._core, target.original)
        elif target.original is not None:
            target.original.deleted = True
            self._core.changed("ephemeral", target.channel, target.original.ts)

    def _parsing(self, body: Json) -> Parsing:
        return self._core.parsing(str(body.get("parse", "none")), bool(body.get("link_names")))
