"""Pictures, sounds, videos and files that go into a run, however the caller has them."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from core.messages import AudioUrl, BinaryContent, DocumentUrl, ImageUrl, UserContent
from core.models.errors import UserError

__all__ = ["Audio", "File", "Image", "Media", "Video", "contents_of"]


@dataclass(frozen=True, kw_only=True)
class Media:
    """One of `url`, `filepath` and `content` (bytes).

    format: the file extension ("png") where neither the name nor `mime_type` says what it is.
    """

    url: str | None = None
    filepath: str | Path | None = None
    content: bytes | None = None
    mime_type: str | None = None
    format: str | None = None
    id: str | None = None

    kind: ClassVar[str] = "document"
    default_type: ClassVar[str] = "application/pdf"

    def to_content(self) -> UserContent:
        """What the model is sent. Raises UserError when there is nothing, OSError when the file cannot be read."""
        if self.url is not None:
            return _at_url(self.url, self.kind)
        if self.filepath is not None:
            path = Path(self.filepath)
            return BinaryContent(path.read_bytes(), self._type(path.name))
        if self.content is not None:
            return BinaryContent(self.content, self._type(""))
        raise UserError(f"{type(self).__name__} needs one of url, filepath and content")

    def _type(self, name: str) -> str:
        guessed = mimetypes.guess_type(f"x.{self.format}" if self.format else name)[0]
        return self.mime_type or guessed or self.default_type


class Image(Media):
    kind = "image"
    default_type = "image/png"


class Audio(Media):
    kind = "audio"
    default_type = "audio/wav"


class Video(Media):
    kind = "video"
    default_type = "video/mp4"


class File(Media):
    pass


_CLASSES: dict[str, type[Media]] = {"image": Image, "audio": Audio, "video": Video, "document": File}


def contents_of(items: Sequence[Any] | None, kind: str) -> list[UserContent]:
    """`items` as the model is sent them. kind: "image", "audio", "video" or "document".

    An item is one of ours (`Image`, `ImageUrl`, `BinaryContent`, ...), an address, a path, or bytes.
    Raises UserError for anything else.
    """
    return [_content(item, kind) for item in items or ()]


def _content(item: Any, kind: str) -> UserContent:
    made = _CLASSES[kind]
    match item:
        case ImageUrl() | AudioUrl() | DocumentUrl() | BinaryContent():
            return item
        case Media():
            return item.to_content()
        case str() if "://" in item or item.startswith("data:"):
            return _at_url(item, kind)
        case str() | Path():
            return made(filepath=item).to_content()
        case bytes():
            return made(content=item).to_content()
        case _:
            raise UserError(f"Not something to read as {kind}: {type(item).__name__}")


def _at_url(url: str, kind: str) -> UserContent:
    if kind == "image":
        return ImageUrl(url)
    return AudioUrl(url) if kind == "audio" else DocumentUrl(url)
