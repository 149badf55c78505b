"""A plain client of the local Discord's REST side."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import aiohttp

from adapters.emulators.discord import Channel, DiscordEmulator, Message

Json = Any
NOON = 1_800_000_000.0


@dataclass
class Reply:
    status: int
    body: Json
    headers: Any

    @property
    def code(self) -> int:
        return int(self.body["code"])


class Rest:
    """A plain client with the bot's token."""

    def __init__(self, emulator: DiscordEmulator, session: aiohttp.ClientSession) -> None:
        self._emulator = emulator
        self._session = session

    async def __call__(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        token: str | None = None,
        form: aiohttp.FormData | None = None,
    ) -> Reply:
        headers = {"Authorization": f"Bot {token or self._emulator.bot_token}"}
        sent: dict[str, Any] = {"data": form} if form else ({} if body is None else {"json": body})
        async with self._session.request(method, self._emulator.api_url + path, headers=headers, **sent) as answer:
            text = await answer.text()
            is_json = answer.headers.get("Content-Type") == "application/json"
            return Reply(answer.status, json.loads(text) if is_json else text, answer.headers)

    async def post(self, channel: Channel, content: str | None = None, **body: Json) -> Reply:
        fields = body if content is None else {"content": content, **body}
        return await self("POST", f"/channels/{channel.id}/messages", fields)

    async def edit(self, message: Message, **body: Json) -> Reply:
        return await self("PATCH", f"/channels/{message.channel_id}/messages/{message.id}", body)
