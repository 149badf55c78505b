"""Live: the connection between the page and the emulators, one WebSocket for each open page.

To the page, as JSON objects with a `type`:
    snapshot    everything: `model`, and a pane for each platform
    message, gone, thread, thread-gone, typing, status, commands, counts, policy    one change, with its `platform`
    done        an act is done (`ok`, `text` to show), with the `number` the page gave it
From the page: acts, `{"number", "platform", "do": "say" | "slash" | "press" | "edit" | "delete" |
"react" | "policy" | "break", ...}`.

A page that reads too slowly is let go; it connects again by itself and gets a new snapshot.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import WSMsgType, web

from bots.demo.files import File
from bots.demo.pane import Json, Pane, Refusal

log = logging.getLogger(__name__)

MOST_BEHIND = 2000
"""Changes a page may be behind before it is let go."""
MOST_ACTS = 20
"""Acts of one page that may be under way at the same time."""
MOST_BYTES = 512 * 1024


class Live:
    """All open pages. `model`: what the page says about who answers."""

    def __init__(self, panes: Sequence[Pane], model: Json) -> None:
        self._panes = {pane.platform: pane for pane in panes}
        self._model = model
        self._sockets: set[web.WebSocketResponse] = set()

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """Serve one page until it goes away."""
        socket = web.WebSocketResponse(heartbeat=20, max_msg_size=MOST_BYTES)
        await socket.prepare(request)
        self._sockets.add(socket)
        outbox: asyncio.Queue[Json] = asyncio.Queue(MOST_BEHIND)
        told: dict[str, Json] = {}

        def tell(change: Json) -> None:
            if change["type"] == "counts":
                if told.get(change["platform"]) == change["counts"]:
                    return
                told[change["platform"]] = change["counts"]
            try:
                outbox.put_nowait(change)
            except asyncio.QueueFull:
                lost.set()

        lost = asyncio.Event()
        following = [pane.follow(tell) for pane in self._panes.values()]
        outbox.put_nowait(self._snapshot())
        try:
            await self._serve(socket, outbox, lost)
        finally:
            for unfollow in following:
                unfollow()
            self._sockets.discard(socket)
        return socket

    def file(self, platform: str, name: str) -> File | None:
        """A file that hangs on a message of `platform`, by its id."""
        pane = self._panes.get(platform)
        return pane.file(name) if pane is not None else None

    async def aclose(self) -> None:
        """Say goodbye to every page."""
        await asyncio.gather(*(one.close(code=1001) for one in list(self._sockets)), return_exceptions=True)

    def _snapshot(self) -> Json:
        return {
            "type": "snapshot",
            "model": self._model,
            **{platform: pane.snapshot() for platform, pane in self._panes.items()},
        }

    async def _serve(self, socket: web.WebSocketResponse, outbox: asyncio.Queue[Json], lost: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(self._read(socket, outbox), name="demo:read")
            writing = tasks.create_task(_write(socket, outbox), name="demo:write")
            losing = tasks.create_task(lost.wait(), name="demo:lost")
            await asyncio.wait({reading, writing, losing}, return_when=asyncio.FIRST_COMPLETED)
            for task in (reading, writing, losing):
                task.cancel()
        await socket.close()

    async def _read(self, socket: web.WebSocketResponse, outbox: asyncio.Queue[Json]) -> None:
        free = asyncio.Semaphore(MOST_ACTS)
        async with asyncio.TaskGroup() as tasks:
            async for frame in socket:
                if frame.type is WSMsgType.TEXT:
                    await free.acquire()
                    task = tasks.create_task(self._act(frame.data, outbox), name="demo:act")
                    task.add_done_callback(lambda _: free.release())

    async def _act(self, frame: str, outbox: asyncio.Queue[Json]) -> None:
        done: Json = {"type": "done", "number": None, "ok": False, "text": ""}
        try:
            act = _read_act(frame)
            done["number"] = act.get("number")
            pane = self._panes.get(str(act.get("platform")))
            if pane is None:
                raise Refusal("There is no such platform here.")
            done |= {"text": await pane.act(act), "ok": True}
        except Refusal as exc:
            done["text"] = str(exc)
        except Exception:  # the crash boundary of one act
            log.exception("demo.act_failed")
            done["text"] = "The demo stumbled over that; its log says why."
        with contextlib.suppress(asyncio.QueueFull):
            outbox.put_nowait(done)


def _read_act(frame: str) -> Mapping[str, Any]:
    try:
        act = json.loads(frame)
    except ValueError:
        act = None
    if not isinstance(act, dict):
        raise Refusal("The page sent something that is not understood here. Reload it.")
    return act


async def _write(socket: web.WebSocketResponse, outbox: asyncio.Queue[Json]) -> None:
    with contextlib.suppress(ConnectionError):
        while True:
            await socket.send_str(json.dumps(await outbox.get()))
