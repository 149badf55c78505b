"""Healing: how an answer that is still being written can be shown.

A prefix of markdown reads badly at its end: `**bol` shows its stars, `[docs](https://exa` its address, a table its
pipes, and a line of one `-` makes a heading of the line above it. Each would be there for one edit and be gone with
the next.
So what the end leaves open is closed or held back. Only the end of the last block is looked at; what comes before it
is settled. The last Draft is never healed, so what a writer really meant to leave open is shown in the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from core.replies.dialect import TIMES
from core.replies.outline import chunks, is_table_rule, outline_of

_LINE_MARKS = re.compile(r"[ \t]*(?:> ?)*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*(?:\[[ xX]\][ \t]+)?(?:#{1,6}[ \t]+)?")
_ONLY_MARKS = re.compile(r"[ \t>]*(?:[-*+_=#`~|:]+|[-*_=~ ]+|(?:[-*+]|\d{1,9}[.)])[ \t]*(?:\[[ xX]?\]?)?)[ \t]*")
_HALF_FENCE = re.compile(r"\n[ \t>]*(?:`{1,2}|~{1,2})(?=\n[ \t>]*(?:`{3,}|~{3,})\n?$)")
_EMPTY_CODE = re.compile(r"[ \t>]*(?P<mark>`{3,}|~{3,})[^\n]*\n[ \t>]*(?P=mark)\n?")
_HALF_ADDRESS = re.compile(r"<(?=(?:https?|mailto|tel):[^\s<>]*$|[a-z]{0,6}$)", re.IGNORECASE)
_MARK = re.compile(r"\\.?|(?P<code>`+)|(?P<open>!?\[)|(?P<close>\](?P<target>\()?)|(?P<run>\*+|_+|~~)", re.DOTALL)
_MARK_BEGINS = re.compile(r"[\\`!\[\]*_~]")
"""Where a mark may be; a set of characters is looked for ten times as fast as one of several marks."""
_LABEL_MOST = 300
_REMEMBERED_TEXTS = 64


@lru_cache(_REMEMBERED_TEXTS)
def healed(text: str) -> str:
    """`text`, the beginning of an answer, without what its end leaves open."""
    start = 0
    for chunk in chunks(text):
        last, start = chunk.source, start + len(chunk.source)
    if not text:
        return text
    head = text[: start - len(last)]
    bare = last.lstrip(" \t>")
    if bare.startswith(("```", "~~~")):
        return head if _EMPTY_CODE.fullmatch(last) else head + _HALF_FENCE.sub("", last)
    if last.endswith("\n\n"):
        return text
    return head + _healed_block(last)


def only_marks(line: str) -> bool:
    """Whether `line` is nothing but marks so far: of an item, a heading, a line across, a fence, a row."""
    return _ONLY_MARKS.fullmatch(line) is not None


def _healed_block(block: str) -> str:
    lines = block.removesuffix("\n").split("\n")
    ended = block.endswith("\n")
    kept = _without_half_table(lines, ended)
    if kept is not lines:
        return "\n".join(kept)
    outline = outline_of(block)
    if outline.fence is not None or (len(lines) > 1 and lines[-1].strip(" >")[:3] in ("```", "~~~")):
        return block  # code within a list or a quotation, closed by whoever cut the text
    if outline.table and is_table_rule(lines[-1]):
        return block
    if not ended and only_marks(lines[-1]):
        lines.pop()
        ended = bool(lines)
    if not lines:
        return ""
    number = next(number for number in range(len(lines) - 1, -1, -1) if number == 0 or _begins_words(lines, number))
    above, words = lines[:number], "\n".join(lines[number:])
    marks = _LINE_MARKS.match(words)
    at = marks.end() if marks else 0
    if outline.table:
        at = max(at, words.rfind("|", 0, len(words.rstrip()) - 1) + 1)
    return "\n".join([*above, words[:at] + _healed_words(words[at:])]) + ("\n" if ended else "")


def _begins_words(lines: list[str], number: int) -> bool:
    """Whether the words of line `number` are a paragraph or cells of their own."""
    found = _LINE_MARKS.match(lines[number])
    return not lines[number - 1].strip() or bool(found and found[0].strip()) or lines[number].lstrip()[:1] == "|"


def _without_half_table(lines: list[str], ended: bool) -> list[str]:
    """`lines` without the first lines of a table that cannot be told from text yet."""
    last = lines[-1]
    if "|" in last and last.lstrip().startswith("|") and not _in_table(lines[:-1]):
        before = lines[-2] if len(lines) > 1 else ""
        if "|" not in before:
            return lines[:-1]
        if set(last.strip()) <= set("|:- "):
            whole = is_table_rule(last) and _columns(last) == _columns(before)
            return lines if whole else lines[:-2]
    return lines


def _in_table(lines: list[str]) -> bool:
    return bool(outline_of("\n".join(lines)).table)


def _columns(row: str) -> int:
    return len(re.sub(r"\\\|", "", row).strip().strip("|").split("|"))


@dataclass(slots=True)
class _Open:
    """A mark that waits for its end. at: where it stands in the text."""

    mark: str
    at: int


def _healed_words(words: str) -> str:
    """One paragraph with its emphasis, code and links closed."""
    words = _HALF_ADDRESS.sub("", words)
    opened: list[_Open] = []
    position = 0
    while (found := _next_mark(words, position)) is not None:
        position = found.end()
        if found[0] == "\\":
            words = words[: found.start()]
        elif found["code"]:
            end = _code_end(words, found)
            if end is None:
                return _closed_code(words, found, opened)
            position = end
        elif found["open"]:
            opened.append(_Open(found[0], found.start()))
        elif found["close"]:
            link = next((one for one in reversed(opened) if one.mark.endswith("[")), None)
            if link is None:
                continue
            if found["target"]:
                end = _target_end(words, found.end())
                if end is None:
                    return _closed(words[: link.at] + words[link.at + len(link.mark) : found.start()], opened, link)
                position = end
            elif position == len(words.rstrip()):
                return _closed(words[: link.at] + words[link.at + len(link.mark) : found.start()], opened, link)
            opened[:] = opened[: opened.index(link)]
        elif found["run"] and not _taken(words, found, opened):
            words = words[: found.start()]
    for link in reversed(opened):
        if (
            link.mark.endswith("[")
            and len(words) - link.at < _LABEL_MOST
            and words[link.at + len(link.mark) :][:1] != " "
        ):
            return _closed(words[: link.at] + words[link.at + len(link.mark) :], opened, link)
    return _closed(words, opened)


def _next_mark(words: str, position: int) -> re.Match[str] | None:
    while (begins := _MARK_BEGINS.search(words, position)) is not None:
        if (found := _MARK.match(words, begins.start())) is not None:
            return found
        position = begins.end()
    return None


def _taken(words: str, found: re.Match[str], opened: list[_Open]) -> bool:
    """Take marks of emphasis: they end what they can, and begin something with the rest. False if they are the first
    of marks that will end something, of which more are to come."""
    run, before, after = found[0], words[: found.start()][-1:], words[found.end() : found.end() + 1]
    left = len(run)
    if run == "*" and TIMES.match(words, max(found.start() - 1, 0)):
        return True
    if before.strip() and not (run[0] == "_" and after.isalnum()):
        for one in reversed(opened):
            if one.mark[0] != run[0] or not left:
                continue
            if not after and left < len(one.mark):
                return False
            taken = min(left, len(one.mark))
            left -= taken
            one.mark = one.mark[taken:]
            if not one.mark:
                opened[:] = opened[: opened.index(one)]
                break
    if left and (after.strip() or not after) and not (run[0] == "_" and before.isalnum()):
        opened.append(_Open(run[0] * left, found.end() - left))
    return True


def _code_end(words: str, found: re.Match[str]) -> int | None:
    closing = re.compile(rf"(?<!`)`{{{len(found[0])}}}(?!`)").search(words, found.end())
    return closing.end() if closing else None


def _closed_code(words: str, found: re.Match[str], opened: list[_Open]) -> str:
    inside = words[found.end() :].rstrip("`")
    if not inside.strip():
        return _closed(words[: found.start()], opened)
    return _closed(words[: found.end()] + inside.rstrip() + found[0], opened, code=True)


def _target_end(words: str, start: int) -> int | None:
    depth = 1
    for place in range(start, len(words)):
        if words[place] in "()":
            depth += 1 if words[place] == "(" else -1
            if not depth:
                return place + 1
        elif words[place] == "\n":
            return place
    return None


def _closed(words: str, opened: list[_Open], link: _Open | None = None, code: bool = False) -> str:
    """`words` with what is open in them closed. link: a mark that has been taken out of them."""
    shift = len(link.mark) if link else 0
    marks = [_Open(one.mark, one.at - (shift if link and one.at > link.at else 0)) for one in _emphasis(opened)]
    bare = words.rstrip()
    while not code and marks and marks[-1].at + len(marks[-1].mark) >= len(bare):
        bare = bare[: marks.pop().at].rstrip()  # nothing is emphasised yet
    if not code and bare.endswith("~") and not bare.endswith("~~"):
        bare = bare[:-1]
    closing = "".join(one.mark for one in reversed(marks))
    return bare + closing if closing or len(bare) < len(words.rstrip()) else words


def _emphasis(opened: list[_Open]) -> Iterator[_Open]:
    return (one for one in opened if one.mark and not one.mark.endswith("["))
