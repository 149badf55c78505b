"""Compaction: what falls out of a long history is summarised by the model, beside the Turns and never in their way.

When a Turn is sealed and its Session's history has outgrown what a run is given, the oldest Turns, whole, are put into
a summary, which becomes the first entry. The newest Turns stay word for word, so a tool call never loses its result.
It is done under a lease of its own and written only if the entries are still those that were read; whatever fails
leaves the history as it is, and the next Turn asks for it again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from core.chat import codec
from core.chat.message import Message
from core.errors import StoreUnavailable
from core.ids import ThreadId
from core.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from core.models.usage import Usage
from core.sessions import Histories, UsageEntry
from core.usage import TurnUsage, increments, price_nano_usd, today

log = logging.getLogger(__name__)

NEWEST_KEPT = 2
"""Turns that are never summarised, however long they are."""

AT_ONCE = 2
WAIT_S = 120
LONGEST_PART = 4_000
"""Characters of one message that the summary is made from."""

HEADING = "Summary of the conversation so far, made automatically because it had become too long to give in full:"
NOTED = "Noted; I go on from there."


@dataclass(frozen=True, slots=True)
class Summary:
    """text: in the model's words.  model: its name."""

    text: str
    usage: Usage
    model: str = ""


Summarise = Callable[[str], Awaitable[Summary]]
"""Summarise a transcript. Raises whatever it may: nothing is changed then."""


def falls_out(sizes: Sequence[int], most_chars: int, most_turns: int) -> int:
    """How many of the oldest entries to summarise, 0 for none.

    sizes: characters of each entry, oldest first. The rest has half of the room then, so that this is not due again
    with the next Turn.
    """
    if sum(sizes) <= most_chars and len(sizes) <= most_turns:
        return 0
    room, kept = most_chars // 2, 0
    for size in reversed(sizes):
        room -= size
        if kept >= NEWEST_KEPT and (room < 0 or kept >= max(most_turns // 2, NEWEST_KEPT)):
            break
        kept += 1
    out = len(sizes) - kept
    return out if out >= 2 else 0  # one alone may be the summary itself


def transcript(messages: Sequence[ModelMessage]) -> str:
    """What was said, for the model to read as a text."""
    lines: list[str] = []
    for message in messages:
        for part in message.parts:
            match part:
                case UserPromptPart(content=str() as text):
                    lines.append(f"User: {_cut(text)}")
                case TextPart(content=text):
                    lines.append(f"Assistant: {_cut(text)}")
                case ToolCallPart(tool_name=name):
                    lines.append(f"(The assistant used {name}.)")
                case ToolReturnPart(tool_name=name):
                    lines.append(f"({name} gave: {_cut(part.model_response_str())})")
                case _:
                    continue
    return "\n\n".join(lines)


def entry_of(summary: str, before: Sequence[ModelMessage]) -> list[ModelMessage]:
    """The messages that stand for `before`: labelled, answered, and with the system prompts that were in it."""
    system = [part for message in before[:1] for part in message.parts if isinstance(part, SystemPromptPart)]
    return [
        ModelRequest(parts=[*system, UserPromptPart(f"{HEADING}\n\n{summary}")]),
        ModelResponse(parts=[TextPart(NOTED)]),
    ]


class Compactor:
    """Owns the summaries under way. provider: whose prices the model has."""

    def __init__(
        self, histories: Histories, summarise: Summarise, most_chars: int, most_turns: int, provider: str = ""
    ) -> None:
        self._histories = histories
        self._summarise = summarise
        self._most_chars = most_chars
        self._most_turns = most_turns
        self._provider = provider
        self._tasks: dict[ThreadId, asyncio.Task[None]] = {}
        self._free = asyncio.Semaphore(AT_ONCE)

    def consider(self, asked: Message, sizes: Sequence[int]) -> None:
        """Begin, if the history has outgrown its room. sizes: of its entries.  asked: who made it grow, and pays."""
        thread = asked.thread_id
        if thread in self._tasks or not falls_out(sizes, self._most_chars, self._most_turns):
            return
        self._tasks[thread] = asyncio.create_task(self._contained(asked), name=f"compact:{thread}")
        self._tasks[thread].add_done_callback(lambda _: self._tasks.pop(thread, None))

    async def aclose(self) -> None:
        """Give up what is under way; the histories stay as they are."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _contained(self, asked: Message) -> None:
        thread = asked.thread_id
        try:
            async with self._free, asyncio.timeout(WAIT_S), self._histories.claimed(thread, WAIT_S) as mine:
                if mine:
                    await self._compact(asked)
        except (StoreUnavailable, TimeoutError) as exc:
            log.warning("history.not_compacted", extra={"thread_id": thread, "reason": type(exc).__name__})
        except Exception as exc:  # the model's failure, mostly; the conversation goes on without
            log.warning("history.not_compacted", extra={"thread_id": thread, "reason": repr(exc)})

    async def _compact(self, asked: Message) -> None:
        thread = asked.thread_id
        entries = await self._histories.entries(thread)
        count = falls_out([len(entry) for entry in entries], self._most_chars, self._most_turns)
        if not count:
            return
        oldest = entries[:count]
        before = [message for entry in oldest for message in codec.load_entry(entry, thread)]
        summary = await self._summarise(transcript(before)[: self._most_chars])
        if not summary.text.strip():
            return
        text = codec.dump_summary(entry_of(summary.text.strip(), before))
        done = await self._histories.shorten(thread, oldest, text, self._cost(asked, summary))
        log.info("history.compacted", extra={"thread_id": thread, "entries": count, "done": done})

    def _cost(self, asked: Message, summary: Summary) -> UsageEntry:
        """Tokens and money of the asking person, but no Turn: nobody asked for it."""
        used, provider = summary.usage, self._provider
        read, written = used.request_tokens or 0, used.response_tokens or 0
        usage = TurnUsage(
            scope=asked.scope,
            user=asked.author.user_id,
            channel=asked.channel,
            model=f"{provider}:{summary.model}" if provider and summary.model else summary.model or "unknown",
            outcome="answered",
            input_tokens=read,
            output_tokens=written,
            estimated=False,
            cost_nano_usd=price_nano_usd(provider, summary.model, read, written, 0),
            seconds=0.0,
            first_text_s=None,
        )
        fields = {name: by for name, by in increments(usage).items() if not name.endswith(("\tturns", "\tunpriced"))}
        return UsageEntry(asked.scope, today().isoformat(), fields)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_PART else f"{text[:LONGEST_PART]}…"
