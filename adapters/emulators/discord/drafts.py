"""What a request says a message should be, checked.

`Draft.parse` reads the body of create message, edit message, interaction responses and webhook messages, which share
their fields. A field the body does not name is `None` in the draft: on edit it stays as it is.
Source: Discord "Create Message" and "Edit Message", docs of 2026-08-06. The API takes 2000 characters from a bot,
counted in code points (discord-api-docs 1315); the length is checked before white space is cut off, the stricter
reading.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .components import check_components, check_embeds, numbered
from .errors import FormErrors, Json, refusal
from .mentions import AllowedMentions
from .state import COMPONENTS_V2, EPHEMERAL, SILENT, SUPPRESS_EMBEDS, Attachment, Message, World

_SETTABLE = SUPPRESS_EMBEDS | SILENT | COMPONENTS_V2


@dataclass(frozen=True, slots=True)
class Upload:
    """One `files[n]` part of a multipart request."""

    filename: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Draft:
    """The checked content of a request. `attachments` are those to show afterwards, kept ones included."""

    content: str | None = None
    embeds: list[Json] | None = None
    components: list[Json] | None = None
    attachments: list[Attachment] | None = None
    flags: int | None = None
    allowed: AllowedMentions = field(default_factory=AllowedMentions)
    nonce: str | int | None = None
    enforce_nonce: bool = False
    reference: Json | None = None
    tts: bool = False

    @classmethod
    def parse(
        cls,
        world: World,
        body: Json,
        files: Mapping[int, Upload] | None = None,
        *,
        old: Message | None = None,
        ephemeral_allowed: bool = False,
    ) -> Draft:
        """Check `body`; `old` is the message an edit is for. Raises ApiError 50035 naming every wrong field."""
        errors = FormErrors()
        flags = _flags(body, old, ephemeral_allowed=ephemeral_allowed)
        v2 = bool((flags if flags is not None else old.flags if old else 0) & COMPONENTS_V2)
        content = _content(world, body, errors)
        _check_nonce(body, errors)
        _check_v2(body, errors, v2=v2)
        if body.get("embeds"):
            check_embeds(body["embeds"], errors)
        if body.get("components"):
            check_components(body["components"], errors, v2=v2)
        allowed = AllowedMentions.parse(body.get("allowed_mentions"), errors)
        attachments = _attachments(world, body, files or {}, old, errors)
        errors.done()
        return cls(
            content=content,
            embeds=_embeds(body),
            components=numbered(body["components"] or []) if "components" in body else None,
            attachments=attachments,
            flags=flags,
            allowed=allowed,
            nonce=body.get("nonce"),
            enforce_nonce=bool(body.get("enforce_nonce")),
            reference=body.get("message_reference"),
            tts=bool(body.get("tts")),
        )


def _content(world: World, body: Json, errors: FormErrors) -> str | None:
    if "content" not in body:
        return None
    content = body["content"]
    errors.text(("content",), content, most=world.limits.content)
    if not isinstance(content, str):
        return ""
    return content.strip() if world.trim_content else content


def _flags(body: Json, old: Message | None, *, ephemeral_allowed: bool) -> int | None:
    """The message flags after this request. Components V2 can be set and never taken back."""
    if body.get("flags") is None:
        return None
    asked = int(body["flags"])
    if old is not None:
        return old.flags & ~SUPPRESS_EMBEDS | asked & (SUPPRESS_EMBEDS | COMPONENTS_V2)
    return asked & (_SETTABLE | (EPHEMERAL if ephemeral_allowed else 0))


def _embeds(body: Json) -> list[Json] | None:
    if "embeds" not in body:
        return None
    return [{**embed, "type": "rich"} for embed in body["embeds"] or []]


def _check_nonce(body: Json, errors: FormErrors) -> None:
    nonce = body.get("nonce")
    if isinstance(nonce, str):
        errors.text(("nonce",), nonce, most=25)


def _check_v2(body: Json, errors: FormErrors, *, v2: bool) -> None:
    if not v2:
        return
    for key in ("content", "embeds", "poll"):
        if body.get(key):
            text = f"The '{key}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
            errors.add((key,), "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", text)


def _attachments(
    world: World, body: Json, files: Mapping[int, Upload], old: Message | None, errors: FormErrors
) -> list[Attachment] | None:
    """Retained and new attachments. Named in the body they are all there will be; else new ones join the old.

    Raises ApiError 40005 for a file over the limit.
    """
    if "attachments" not in body and not files:
        return None
    named: list[Any] = body.get("attachments") or []
    kept = {one.id: one for one in old.attachments} if old else {}
    result: list[Attachment] = []
    if "attachments" not in body:
        result = list(kept.values())
        named = [{"id": index} for index in files]
    errors.length(("attachments",), named, most=world.limits.attachments)
    for index, one in enumerate(named):
        key = int(one["id"])
        if key in kept:
            result.append(kept[key])
        elif key in files:
            result.append(_stored(world, files[key], one))
        else:
            errors.add(("attachments", index), "ATTACHMENT_NOT_FOUND", "Uploaded attachment not found")
    return result


def _stored(world: World, upload: Upload, meta: Json) -> Attachment:
    if len(upload.data) > world.limits.file_bytes:
        raise refusal(40005)
    name = str(meta.get("filename") or upload.filename)
    kind = mimetypes.guess_type(name)[0]  # by name, as Discord answers it, whatever the part said
    kind = f"{kind}; charset=utf-8" if kind and kind.startswith("text/") else kind
    one = Attachment(world.ids.new(), name, kind, upload.data, meta.get("description"))
    world.attachments[one.id] = one
    return one
