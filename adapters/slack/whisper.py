"""Whisper: what one person alone is told, in the channel where they are."""

from __future__ import annotations

import json
import logging
from typing import Any

import aiohttp

from adapters.slack._admission import Admission
from adapters.slack._errors import SDK_ERRORS, surface_error
from adapters.slack._web import Web, proxy_for
from adapters.slack.markdown import blocks_of, mrkdwn
from core.chat import RateLimited

log = logging.getLogger(__name__)

_LONGEST = 10_000


class Whisper:
    """Says markdown to one person, as an ephemeral message. A whisper that fails is logged and forgotten."""

    def __init__(self, web: Web, admission: Admission) -> None:
        self._web = web
        self._admission = admission

    async def answer(self, response_url: str, markdown: str, thread_ts: str = "") -> bool:
        """Answer a command or a press at its `response_url`; False when Slack did not take it.

        thread_ts: of the message that was pressed; without it the answer stands in the channel.

        Source: docs.slack.dev, "Handling user interaction": 5 answers within 30 minutes.
        """
        if not response_url:
            return False
        shown = markdown[:_LONGEST]
        body: dict[str, Any] = {"response_type": "ephemeral", "replace_original": False, "text": mrkdwn(shown)}
        if thread_ts:
            body["thread_ts"] = thread_ts
        with_table = body | {"blocks": blocks_of(shown)}
        return await self._respond(response_url, with_table) or await self._respond(response_url, body)

    async def tell(self, channel: str, user: str, markdown: str, thread_ts: str = "") -> None:
        """Say something to `user` in a channel or thread (chat.postEphemeral)."""
        args: dict[str, Any] = {"channel": channel, "user": user, "text": mrkdwn(markdown[:_LONGEST])}
        if thread_ts:
            args["thread_ts"] = thread_ts
        try:
            async with self._admission.to("chat.postEphemeral"):
                await self._web.client.api_call("chat.postEphemeral", json=args)
        except (RateLimited, *SDK_ERRORS) as exc:
            log.warning("slack.whisper.lost", extra={"reason": str(surface_error("chat.postEphemeral", exc))})

    async def _respond(self, url: str, body: dict[str, Any]) -> bool:
        headers = {"Content-Type": "application/json; charset=utf-8"}
        try:
            async with self._web.session.post(
                url, data=json.dumps(body), headers=headers, proxy=proxy_for(url)
            ) as answer:
                if answer.status == 200:
                    return True
                reason = f"HTTP {answer.status}"
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as exc:  # ValueError: not an address
            reason = type(exc).__name__
        log.warning("slack.whisper.refused", extra={"reason": reason})
        return False
