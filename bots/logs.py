"""Logs: one line an event on stderr, `time level event field=value ...`."""

from __future__ import annotations

import logging
import sys

_ON_EVERY_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_NOISY = ("aiohttp.access", "discord", "slack_bolt", "slack_sdk", "httpx", "markdown_it", "asyncio")


class EventFormatter(logging.Formatter):
    """A record's message is the event's constant name; what it is about stands in its `extra` fields."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {key: value for key, value in vars(record).items() if key not in _ON_EVERY_RECORD}
        shown = " ".join(f"{key}={_quoted(value)}" for key, value in fields.items())
        line = f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S%z')} {record.levelname.lower():7} {record.getMessage()}"
        if shown:
            line += f" {shown}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def _quoted(value: object) -> str:
    text = str(value).replace("\n", "\\n")
    return repr(text) if " " in text or not text else text


def set_up(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(EventFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("discord.client").setLevel(logging.ERROR)  # it warns of libraries for voice, which we do not use
