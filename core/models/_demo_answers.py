"""What the demo model says: plain rules from a conversation to an answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from core.messages import ModelResponsePart, TextPart, ToolCallPart
from core.models.base import ToolDefinition

__all__ = ["Conversation", "answer", "long_text"]

SETUP = (
    "To get real answers, set `PARLEY_MODEL` (for example `openai:gpt-4o`) and the key of its provider "
    "(`OPENAI_API_KEY`), or `PARLEY_MODEL=ollama:llama3.2` for a model on your own machine, and start again."
)
INTRODUCTION = "I am Parley's built-in demo model: a set of rules, not a language model."
HELP = f"""{INTRODUCTION} What you see around me is the real thing, though: the answer grows by edits of one message, \
this thread is remembered, and **Stop** works. Things to try:

- *My name is Ada*, and later *what is my name?*
- *What did I say first?* or *what did we talk about?*
- *What time is it in Tokyo?*
- *Roll 2d20*
- *Write a long answer*, or *write 20000 characters*

{SETUP}"""

_ZONES = {
    "auckland": "Pacific/Auckland",
    "beijing": "Asia/Shanghai",
    "berlin": "Europe/Berlin",
    "chicago": "America/Chicago",
    "delhi": "Asia/Kolkata",
    "dubai": "Asia/Dubai",
    "lagos": "Africa/Lagos",
    "london": "Europe/London",
    "los angeles": "America/Los_Angeles",
    "madrid": "Europe/Madrid",
    "moscow": "Europe/Moscow",
    "mumbai": "Asia/Kolkata",
    "new york": "America/New_York",
    "paris": "Europe/Paris",
    "rome": "Europe/Rome",
    "san francisco": "America/Los_Angeles",
    "sao paulo": "America/Sao_Paulo",
    "shanghai": "Asia/Shanghai",
    "singapore": "Asia/Singapore",
    "sydney": "Australia/Sydney",
    "tokyo": "Asia/Tokyo",
    "toronto": "America/Toronto",
    "utc": "UTC",
    "vienna": "Europe/Vienna",
    "zurich": "Europe/Zurich",
}


@dataclass(frozen=True)
class Conversation:
    """said: what people said, the newest last.   returned: (tool, text) of the calls made for the newest.

    steps: model responses so far; tells calls apart.
    """

    said: Sequence[str]
    returned: Sequence[tuple[str, str]] = ()
    steps: int = 0

    @property
    def last(self) -> str:
        return self.said[-1] if self.said else ""

    @property
    def before(self) -> Sequence[str]:
        return self.said[:-1]


Rule = Callable[[Conversation, dict[str, ToolDefinition]], ModelResponsePart | None]


def answer(conversation: Conversation, tools: Sequence[ToolDefinition]) -> list[ModelResponsePart]:
    """The response: the first rule that has something to say."""
    offered = {tool.name: tool for tool in tools}
    for rule in _RULES:
        if (part := rule(conversation, offered)) is not None:
            return [part]
    return [TextPart(_otherwise(conversation))]


def _returned(conversation: Conversation, _tools: dict[str, ToolDefinition]) -> ModelResponsePart | None:
    """Say what the tools have found."""
    if not conversation.returned:
        return None
    lines = [
        f"{'🎲 You rolled' if name == 'roll_dice' else 'It is' if name == 'current_time' else f'{name}:'} {text}"
        for name, text in conversation.returned
    ]
    return TextPart("\n".join(line if line.endswith((".", "!")) else f"{line}." for line in lines))


def _long(conversation: Conversation, _tools: dict[str, ToolDefinition]) -> ModelResponsePart | None:
    """Write as much as was asked for."""
    text = conversation.last.lower()
    if not re.search(r"\b(write|tell|give|generate|produce|send)\b", text):
        return None
    if found := re.search(r"\b(\d[\d,._]*)\s*(k\b)?\s*(character|char|letter|word)", text):
        count = int(re.sub(r"\D", "", found[1]) or 0) * (1000 if found[2] else 1)
        count *= 6 if found[3] == "word" else 1
        return TextPart(long_text(min(max(count, 1), 200_000)))
    return TextPart(long_text(4000)) if re.search(r"\b(long|lengthy|essay|article)\b", text) else None


def _dice(conversation: Conversation, tools: dict[str, ToolDefinition]) -> ModelResponsePart | None:
    text = conversation.last.lower()
    found = re.search(r"\b(\d{1,3})?d(\d{1,4})\b", text)
    if not re.search(r"\b(roll|throw|dice|die)\b", text) or not (found or re.search(r"\b(dice|die|roll)\b", text)):
        return None
    count, sides = (int(found[1] or 1), int(found[2])) if found else (1, 6)
    if (tool := tools.get("roll_dice")) is None:
        return TextPart("I would roll the dice, but this assistant has no `roll_dice` tool.")
    values = {
        "count": count,
        "dice": f"{count}d{sides}",
        "expression": f"{count}d{sides}",
        "n": count,
        "notation": f"{count}d{sides}",
        "number": count,
        "sides": sides,
        "times": count,
    }
    return _call(tool, values, conversation)


def _clock(conversation: Conversation, tools: dict[str, ToolDefinition]) -> ModelResponsePart | None:
    text = conversation.last.lower()
    asked = re.search(r"\bwhat(?:'s| is)? (?:the )?time\b|\btime is it\b|\btime (?:is it )?in\b|\bwhat day\b", text)
    if not asked:
        return None
    if (tool := tools.get("current_time")) is None:
        return TextPart("I cannot tell: this assistant has no `current_time` tool.")
    found = re.search(r"\bin ([a-zà-ÿ_/ +-]+)", text)
    place = found[1].strip(" ?") if found else ""
    zone = _ZONES.get(place, place if "/" in place else "UTC")
    named = place.title() or "UTC"
    values: dict[str, Any] = dict.fromkeys(("timezone", "time_zone", "tz", "zone"), zone)
    values |= dict.fromkeys(("city", "place", "location"), named)
    if place and place not in _ZONES and "/" not in place and not {"city", "place", "location"} & _names(tool):
        return TextPart(f"I do not know the time zone of {named}. Ask me about Tokyo, London or New York.")
    return _call(tool, values if place else {}, conversation)


def _name(conversation: Conversation, _tools: dict[str, ToolDefinition]) -> ModelResponsePart | None:
    text = conversation.last
    if re.search(
        r"\b(what(?:'s| is)|who am i|do you (?:know|remember))\b.*\b(my name|i am|am i)\b|\bwho am i\b", text, re.I
    ):
        for said in reversed(conversation.before):
            if name := _name_in(said):
                return TextPart(f"Your name is **{name}**; you told me earlier.")
        return TextPart("You have not told me your name in this conversation.")
    if name := _name_in(text):
        return TextPart(f"Nice to meet you, **{name}**. Ask me later what your name is.")
    return None


def _name_in(text: str) -> str | None:
    found = re.search(r"\b(?:my name is|my name's|call me|i am called)\s+([^\W\d_][\w'’-]*)", text, re.I)
    return found[1] if found else None


def _memory(conversation: Conversation, _tools: dict[str, ToolDefinition]) -> ModelResponsePart | None:
    text, before = conversation.last.lower(), conversation.before
    about_first = re.search(r"\b(first|begin|beginning|start)\b", text)
    about_last = re.search(r"\b(last|just|previous|before)\b", text)
    if re.search(r"\bwhat (did|have) (we|i) (been )?(talk|discuss|speak|chat)\w*|\bsumm?ari[sz]e\b|\brecap\b", text):
        if not before:
            return TextPart("We have not talked about anything yet; this is your first message here.")
        listed = "\n".join(f"{at}. {_quoted(said)}" for at, said in enumerate(before[-20:], 1))
        return TextPart(f"So far you said:\n\n{listed}")
    if not re.search(r"\b(did|have) i (\w+ )?(say|said|ask|asked|write|written|wrote|tell|told)\b", text):
        return None
    if not before:
        return TextPart("That was your first message in this conversation.")
    if about_first and not about_last:
        return TextPart(f"The first thing you said was: {_quoted(before[0])}")
    return TextPart(f"Before this you said: {_quoted(before[-1])}")


def _quoted(text: str, limit: int = 200) -> str:
    line = " ".join(text.split())
    return f"“{line if len(line) <= limit else line[: limit - 1] + '…'}”"


def _greeting(conversation: Conversation, _tools: dict[str, ToolDefinition]) -> ModelResponsePart | None:
    if not re.match(r"\W*(hi|hello|hey|hallo|good (morning|afternoon|evening)|greetings)\b", conversation.last, re.I):
        return None
    if len(conversation.last.split()) > 6:
        return None
    if conversation.before:
        said = len(conversation.before)
        return TextPart(f"Hello again! You have written {said} message{'' if said == 1 else 's'} here before this one.")
    return TextPart(f"Hello! {HELP}")


def _thanks(conversation: Conversation, _tools: dict[str, ToolDefinition]) -> ModelResponsePart | None:
    thanked = re.match(r"\W*(thanks|thank you|thx|cheers|danke|merci)\b", conversation.last, re.I)
    return TextPart("You are welcome!") if thanked else None


def _otherwise(conversation: Conversation) -> str:
    if not conversation.before or re.search(
        r"\b(help|what can you do|who are you|commands?)\b", conversation.last, re.I
    ):
        return HELP
    return f"You said {_quoted(conversation.last)}. {INTRODUCTION} Say *help* to see what I can do.\n\n{SETUP}"


_RULES: tuple[Rule, ...] = (_returned, _long, _dice, _clock, _name, _memory, _greeting, _thanks)


def _names(tool: ToolDefinition) -> set[str]:
    return set(tool.parameters_json_schema.get("properties", {}))


def _call(tool: ToolDefinition, values: dict[str, Any], conversation: Conversation) -> ToolCallPart:
    """A call of `tool` with those of `values` it has parameters for."""
    args = {name: values[name] for name in sorted(_names(tool)) if name in values}
    return ToolCallPart(tool.name, args, f"demo_{conversation.steps}_{tool.name}")


_PARAGRAPHS = (
    "A long answer has to be cut into several messages, because chat platforms limit how long one may be. The cuts "
    "should fall where a reader would pause: between paragraphs, between list items, never inside a word.",
    "While the answer grows, the last message is edited again and again. Too many edits and the platform says no; too "
    "few and the reader wonders whether anybody is there. **Pacing** decides which edit is worth its price.",
    "Formatting must hold at every moment. A *half-written* emphasis, an open `code` span or a table without its last "
    "row is closed for as long as it is shown, and written on when the rest has come.",
    "Nothing of the answer may be lost. What you read at the end is everything that was written, in order, to the last "
    "full stop.",
)
_LIST = (
    "- the first words appear soon\n- the middle keeps moving\n  - also where lists are nested\n"
    "- the end is complete\n\n1. ask\n2. wait a moment\n3. read"
)
_TABLE = (
    "| what | why |\n|---|---|\n| headings | they survive the cut |\n| tables | they stay in line |\n"
    "| code | it keeps its fence |"
)
_CODE = (
    "```python\ndef greet(name: str) -> str:\n    # a fence that is cut must be closed and opened again\n"
    '    return f"Hello, {name}!"\n\n\nprint(greet("Parley"))\n```'
)


_END = "And so it goes on to the end."


def long_text(length: int) -> str:
    """Markdown of exactly `length` characters: headings, paragraphs, lists, tables, code."""
    blocks = ["# A long answer", f"{INTRODUCTION} This is {length} characters of markdown, as asked."]
    section = 0
    while sum(map(len, blocks)) + 2 * len(blocks) < length:
        section += 1
        blocks.append(f"## Section {section}")
        blocks.append(_PARAGRAPHS[section % len(_PARAGRAPHS)])
        blocks.append((_LIST, _TABLE, _CODE)[section % 3])
        blocks.append(_PARAGRAPHS[(section + 1) % len(_PARAGRAPHS)])
    text = "\n\n".join(blocks)
    if len(text) <= length:
        return text + "." * (length - len(text))
    # end in plain text: a fence or table that is cut off would not be valid markdown
    whole: list[str] = []
    used = 0
    for block in blocks:
        if used + len(block) + 2 > length - 40:
            break
        whole.append(block)
        used += len(block) + 2
    return "\n\n".join([*whole, _end(length - used)])


def _end(length: int) -> str:
    """Sentences of `length` characters; the last is drawn out as far as it has to be."""
    sentences = [_END] * ((length + 1) // (len(_END) + 1))
    if not sentences:
        return _END[: length - 1] + "." if length else ""
    spare = length - len(" ".join(sentences))
    return " ".join([*sentences[:-1], _END.replace("on", f"{'o' * spare}on", 1)])
