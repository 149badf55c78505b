"""Files: what a run hands over beside its text, as attachments of its Reply.

Bytes are attached. What lies at an address is shown as a link and never fetched by us: the address may come from the
model, and whoever writes it must not have us call things for him. A bare text that is no address is not read as a path.
"""

from __future__ import annotations

import asyncio
import binascii
import logging
import mimetypes
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from core.agent.media import Media
from core.agent.response import RunResponse
from core.chat.sources import web_address
from core.messages import AudioUrl, BinaryContent, DocumentUrl, ImageUrl
from core.models.errors import UserError
from core.replies import Attachment

log = logging.getLogger(__name__)

MOST_FILES = 10
MOST_BYTES = 8 * 1024 * 1024
"""Of one Turn: they stand in its journal until they are shown, so that another worker can show them."""


@dataclass(slots=True)
class HandedOver:
    """files: to be attached.  lines: markdown for what is not."""

    files: list[Attachment] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


async def handed_over(response: RunResponse | None, largest: int) -> HandedOver:
    """What `response` has in `images`, `videos` and `audio`. largest: bytes of one file that the platform takes."""
    found = HandedOver()
    room = MOST_BYTES
    for kind, item in _items(response):
        try:
            content = await asyncio.to_thread(_content, item)
        except (UserError, OSError, ValueError) as exc:
            log.warning("turn.file_unreadable", extra={"kind": kind, "reason": f"{type(exc).__name__}: {exc}"})
            found.lines.append(f"⚠️ _A file ({kind}) could not be read._")
            continue
        if isinstance(content, str):
            if url := web_address(content):
                found.lines.append(f"[{kind}]({url})")
            continue
        name = _name(item, kind, len(found.files) + 1, content.media_type)
        if len(found.files) == MOST_FILES or len(content.data) > min(room, largest):
            found.lines.append(f"⚠️ _`{name}` is too large to be attached here._")
            continue
        room -= len(content.data)
        found.files.append(Attachment(name, content.media_type, b64encode(content.data).decode()))
    return found


def long_answer(text: str) -> Attachment:
    """An answer once more, as a file; its loss is not worth a word, as all of it stands in the thread."""
    return Attachment("answer.md", "text/markdown", b64encode(text.encode()).decode(), courtesy=True)


def _items(response: RunResponse | None) -> Iterator[tuple[str, Any]]:  # Any: what a tool has handed over
    if response is not None:
        for kind, items in (("image", response.images), ("video", response.videos), ("audio", response.audio)):
            for item in items or ():
                yield kind, item


def _content(item: Any) -> BinaryContent | str:
    """The bytes, or an address. Raises UserError, OSError, ValueError."""
    if isinstance(item, Media):
        item = item.to_content()
    match item:
        case BinaryContent():
            return item
        case ImageUrl() | AudioUrl() | DocumentUrl():
            return _of_url(item.url)
        case bytes():
            return BinaryContent(item, "image/png")
        case str():
            return _of_url(item)
        case _:
            raise UserError(f"not something to attach: {type(item).__name__}")


def _of_url(url: str) -> BinaryContent | str:
    if not url.startswith("data:"):
        return url
    head, _, data = url.partition(",")
    if not head.endswith(";base64"):
        raise ValueError("a data: address without base64")
    try:
        return BinaryContent(b64decode(data, validate=True), head[5:-7] or "application/octet-stream")
    except binascii.Error as exc:
        raise ValueError("damaged base64") from exc


def _name(item: Any, kind: str, number: int, media_type: str) -> str:
    """The file's own name as far as it is safe to show, else one made of its kind."""
    path = getattr(item, "filepath", None)
    given = "".join(c for c in PurePath(str(path)).name if c.isalnum() or c in "._- ")[:80].strip(". ") if path else ""
    return given or f"{kind}-{number}{mimetypes.guess_extension(media_type) or ''}"
