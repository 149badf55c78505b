"""What a message call says: text, markdown or blocks, and metadata; read and checked once for all of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapters.emulators.slack.blocks import check_blocks, read_blocks
from adapters.emulators.slack.errors import SlackError
from adapters.emulators.slack.limits import ATTACHMENTS, MARKDOWN_TEXT, METADATA_BYTES
from adapters.emulators.slack.web_api._registry import Args
from adapters.emulators.slack.workspace import Json

if TYPE_CHECKING:
    from adapters.emulators.slack.core import Core


@dataclass(slots=True)
class Body:
    """text: what was sent, or the markdown; blocks: None when the call did not speak of blocks.

    made: the blocks were made from markdown_text.
    """

    text: str
    blocks: list[Json] | None
    made: bool
    attachments: list[Json] | None
    metadata: Json | None

    @property
    def empty(self) -> bool:
        return not self.text and not self.blocks and not self.attachments


def read_body(core: Core, args: Args) -> Body:
    """Read and check the content of a call.

    Raises markdown_text_conflict (markdown_text with text or blocks, docs of chat.postMessage), msg_too_long
    (markdown_text over 12,000), too_many_attachments, and what is wrong with blocks or metadata.
    """
    markdown = args.text("markdown_text")
    blocks = read_blocks(args.values["blocks"]) if "blocks" in args else None
    attachments = args.json("attachments", "invalid_attachments")
    if attachments is not None and not isinstance(attachments, list):
        raise SlackError("invalid_attachments")
    if attachments and len(attachments) > ATTACHMENTS:
        raise SlackError("too_many_attachments")
    metadata = read_metadata(args)
    if markdown:
        if args.text("text") or blocks:
            raise SlackError("markdown_text_conflict")
        if len(markdown) > MARKDOWN_TEXT:
            raise SlackError("msg_too_long")
        made = [{"type": "markdown", "block_id": core.workspace.new_id("m"), "text": markdown}]
        return Body(markdown, made, True, attachments, metadata)
    if blocks is not None:
        check_blocks(blocks)
        blocks = [{"block_id": core.workspace.new_id("b"), **block} for block in blocks]
    return Body(args.text("text"), blocks, False, attachments, metadata)


def read_metadata(args: Args) -> Json | None:
    """Return the metadata of a call. Raises invalid_metadata_format, invalid_metadata_schema, metadata_too_large.

    Source: docs.slack.dev/messaging/message-metadata: an `event_type` and an object `event_payload`.
    """
    value = args.json("metadata", "invalid_metadata_format")
    if value is None or value == {}:
        return None
    if not isinstance(value, dict):
        raise SlackError("invalid_metadata_format")
    if not isinstance(value.get("event_type"), str) or not isinstance(value.get("event_payload"), dict):
        raise SlackError("invalid_metadata_schema")
    if len(json.dumps(value).encode()) > METADATA_BYTES:
        raise SlackError("metadata_too_large")
    return value
