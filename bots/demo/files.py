"""Files of the emulated platforms, as the page may have them.

A file is whatever a model or a person made it, and the page has a bot to drive. So only pictures are shown, and whether
a file is one is read from its bytes, never from its name: anything else, SVG and HTML above all, is handed to be saved
and not to be opened. Should a browser open one all the same, the policy leaves it no script and no page to reach.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from aiohttp import web
from aiohttp.helpers import content_disposition_header

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_PICTURES: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


@dataclass(frozen=True, slots=True)
class File:
    """A file that hangs on a message. name: as whoever made it called it, which may be anything."""

    name: str
    content: bytes = field(repr=False)

    @property
    def picture(self) -> str | None:
        """The media type of a picture that browsers draw, None for any other file."""
        if self.content[:4] == b"RIFF" and self.content[8:12] == b"WEBP":
            return "image/webp"
        return next((kind for start, kind in _PICTURES if self.content.startswith(start)), None)

    def about(self, name: str) -> dict[str, object]:
        """What the page reads of it. name: its id."""
        return {"id": name, "name": self.name, "size": len(self.content), "picture": self.picture is not None}


def served(file: File, *, to_save: bool) -> web.Response:
    """to_save: the browser is to save it, whatever it is."""
    shown = None if to_save else file.picture
    disposition = content_disposition_header("inline" if shown else "attachment", filename=_plain(file.name))
    return web.Response(
        body=file.content,
        content_type=shown or "application/octet-stream",
        headers=HEADERS | {"Content-Disposition": disposition},
    )


def _plain(name: str) -> str:
    """`name` as one that a header and a directory can hold."""
    kept = "".join(character if character.isprintable() and character not in '/\\"' else "_" for character in name)
    return kept[:200].strip(". ") or "file"
