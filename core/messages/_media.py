"""What a person shows: media by their address or as bytes, each with its media type."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from typing import Literal, TypeAlias

AudioMediaType: TypeAlias = Literal["audio/wav", "audio/mpeg"]
ImageMediaType: TypeAlias = Literal["image/jpeg", "image/png", "image/gif", "image/webp"]
DocumentMediaType: TypeAlias = Literal[
    "application/pdf",
    "text/plain",
    "text/csv",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "text/html",
    "text/markdown",
    "application/vnd.ms-excel",
]
AudioFormat: TypeAlias = Literal["wav", "mp3"]
ImageFormat: TypeAlias = Literal["jpeg", "png", "gif", "webp"]
DocumentFormat: TypeAlias = Literal["csv", "doc", "docx", "html", "md", "pdf", "txt", "xls", "xlsx"]

_IMAGE_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
_AUDIO_TYPES = {".mp3": "audio/mpeg", ".wav": "audio/wav"}
_FORMATS = {
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "image/jpeg": "jpeg",
    "image/png": "png",
    "image/gif": "gif",
    "image/webp": "webp",
    "application/pdf": "pdf",
    "text/plain": "txt",
    "text/csv": "csv",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/msword": "doc",
    "text/html": "html",
    "text/markdown": "md",
    "application/vnd.ms-excel": "xls",
}


def _extension(url: str) -> str:
    """The file extension of `url` with its dot, in lower case; query and fragment do not count."""
    path = url.split("#", 1)[0].split("?", 1)[0]
    name = path.rsplit("/", 1)[-1]
    return "." + name.rsplit(".", 1)[-1].lower() if "." in name else ""


@dataclass
class ImageUrl:
    """An image the provider fetches itself."""

    url: str
    kind: Literal["image-url"] = "image-url"

    @property
    def media_type(self) -> str:
        """The media type by the extension. Raises ValueError for one we do not know."""
        if found := _IMAGE_TYPES.get(_extension(self.url)):
            return found
        raise ValueError(f"Unknown image file extension: {self.url}")

    @property
    def format(self) -> str:
        """A short name of the media type, as "png"."""
        return _format_of(self.media_type)


@dataclass
class AudioUrl:
    """A sound the provider fetches itself."""

    url: str
    kind: Literal["audio-url"] = "audio-url"

    @property
    def media_type(self) -> str:
        """The media type by the extension. Raises ValueError for one we do not know."""
        if found := _AUDIO_TYPES.get(_extension(self.url)):
            return found
        raise ValueError(f"Unknown audio file extension: {self.url}")


@dataclass
class DocumentUrl:
    """A document the provider fetches itself."""

    url: str
    kind: Literal["document-url"] = "document-url"

    @property
    def media_type(self) -> str:
        """The media type by the extension. Raises RuntimeError for one we do not know."""
        guessed, _ = mimetypes.guess_type(self.url)
        if guessed is None:
            raise RuntimeError(f"Unknown document file extension: {self.url}")
        return guessed

    @property
    def format(self) -> str:
        """A short name of the media type, as "pdf". Raises ValueError for one we do not know."""
        return _format_of(self.media_type, "document ")


@dataclass
class BinaryContent:
    """Bytes with their media type: an image, a sound or a document."""

    data: bytes
    media_type: str
    kind: Literal["binary"] = "binary"

    @property
    def is_audio(self) -> bool:
        return self.media_type.startswith("audio/")

    @property
    def is_image(self) -> bool:
        return self.media_type.startswith("image/")

    @property
    def is_document(self) -> bool:
        return not (self.is_audio or self.is_image) and self.media_type in _FORMATS

    @property
    def format(self) -> str:
        """A short name of the media type, as "png". Raises ValueError for one we do not know."""
        return _format_of(self.media_type)


def _format_of(media_type: str, kind: str = "") -> str:
    try:
        return _FORMATS[media_type]
    except KeyError:
        raise ValueError(f"Unknown {kind}media type: {media_type}") from None


UserContent = str | ImageUrl | AudioUrl | DocumentUrl | BinaryContent
