"""`parley sessions`: what is remembered about threads, for whoever runs the bot. Works while the bot runs."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import typer

from bots.bot import opened_store
from bots.settings import Settings
from core.errors import ConfigError
from core.ids import ScopeId, ThreadId, UserId
from core.sessions import Detail, Filter, Forgotten, Overview, Records

EXIT_NOTHING = 1
"""There is no such Session."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def read_filter(scope: str, user: str, older_than: str) -> Filter:
    """older_than: a number with s, m, h, d or w, "" for any age. Raises ConfigError."""
    if not older_than:
        return Filter(scope, user)
    found = re.fullmatch(r"(\d+)\s*([smhdw])", older_than.strip().lower())
    if found is None:
        raise ConfigError("--older-than", f"{older_than!r} is no time.", "Write it like 12h, 30d or 4w.")
    return Filter(scope, user, float(int(found[1]) * _UNITS[found[2]]))


async def print_list(settings: Settings, wanted: Filter, *, as_json: bool) -> None:
    """One line a Session, the newest first; exit code 1 if there is none."""
    async with opened_store(settings) as store:
        found = await Records(store).find(wanted)
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], indent=2, ensure_ascii=False))
    elif found:
        typer.echo(_table(found))
    if not found:
        typer.echo("No session." if not as_json else "", err=True)
        raise typer.Exit(EXIT_NOTHING)


async def print_one(settings: Settings, thread: str, *, with_text: bool) -> None:
    """A Session's state for support. with_text: also what people and the model said. Exit code 1 if it is not there."""
    async with opened_store(settings) as store:
        detail = await Records(store).show(ThreadId(thread))
    if detail is None:
        raise _not_there(thread)
    typer.echo("\n".join(_described(detail, with_text=with_text)))


async def export(settings: Settings, thread: str, wanted: Filter, output: Path | None) -> None:
    """Everything stored, as JSON: one Session, or a list of those that `wanted` takes."""
    async with opened_store(settings) as store:
        records = Records(store)
        threads = [ThreadId(thread)] if thread else [one.thread_id for one in await records.find(wanted)]
        found = [detail for one in threads if (detail := await records.show(one)) is not None]
    if not found:
        raise _not_there(thread)
    listed = [_exported(detail) for detail in found]
    text = json.dumps(listed[0] if thread else listed, indent=2, ensure_ascii=False)
    if output is None:
        sys.stdout.write(text + "\n")
        return
    _write(output, text + "\n")
    typer.echo(f"{len(found)} written to {output}", err=True)


def _write(output: Path, text: str) -> None:
    """Into a file that only we may read: it holds what people said."""
    try:
        with open(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as exc:
        raise ConfigError("--output", f"{output} cannot be written ({exc.strerror}).") from exc


async def forget(settings: Settings, thread: str, wanted: Filter, *, sure: bool) -> None:
    """Forget one Session, those older than some time, all of a person or all of a workspace. Exit code 1 if there was
    nothing of the kind."""
    _ask(_meant(thread, wanted), sure=sure)
    async with opened_store(settings) as store:
        records = Records(store)
        gone = await _forgotten(records, thread, wanted)
    typer.echo(f"Forgotten: {gone.sessions} sessions, {gone.keys} keys.")
    if not gone.keys:
        raise typer.Exit(EXIT_NOTHING)


async def _forgotten(records: Records, thread: str, wanted: Filter) -> Forgotten:
    if thread:
        return await records.forget_session(ThreadId(thread))
    if wanted.older_s is None and wanted.user and not wanted.scope:
        return await records.forget_user(UserId(wanted.user))
    if wanted.older_s is None and wanted.scope and not wanted.user:
        return await records.forget_scope(ScopeId(wanted.scope))
    return await records.forget(wanted)


def _meant(thread: str, wanted: Filter) -> str:
    """What is about to be forgotten, in words. Raises ConfigError for "everything"."""
    if thread:
        if wanted != Filter():
            raise ConfigError("parley sessions forget", "takes a thread or options that choose some, not both.")
        return f"the session of {thread}"
    if wanted == Filter():
        raise ConfigError("parley sessions forget", "wants a thread, --user, --scope or --older-than.")
    if wanted.older_s is None and not (wanted.user and wanted.scope):
        return f"everything about {wanted.user or wanted.scope}: sessions and usage"
    return "the sessions of " + " and ".join(
        part
        for part in (
            wanted.scope,
            wanted.user and f"begun by {wanted.user}",
            wanted.older_s is not None and f"silent for {_span(wanted.older_s)}",
        )
        if part
    )


def _ask(what: str, *, sure: bool) -> None:
    if sure:
        return
    if not sys.stdin.isatty():
        raise ConfigError("--yes", f"is needed to forget {what} without being asked.")
    typer.confirm(f"Forget {what}?", abort=True)


def _not_there(thread: str) -> typer.Exit:
    typer.echo(f"There is no session of {thread}." if thread else "No session.", err=True)
    return typer.Exit(EXIT_NOTHING)


def _table(found: Sequence[Overview]) -> str:
    rows = [("thread", "begun by", "heard", "messages", "turns", "waiting", "worker")]
    rows += [
        (
            one.thread_id,
            one.starter or "?",
            _ago(one.heard_at),
            str(one.messages),
            str(one.turns),
            str(one.waiting),
            one.worker or "-",
        )
        for one in found
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _described(detail: Detail, *, with_text: bool) -> list[str]:
    one, journal = detail.overview, detail.journal
    refs = journal.get("refs")
    turn = "none in progress"
    if attempts := detail.facts.get("attempts"):
        state = "concluded, being shown" if journal.get("conclusion") else "running"
        shown = len(refs) if isinstance(refs, list) else 0
        turn = f"{state}, attempt {attempts}, {shown} messages shown"
    if detail.facts.get("stop"):
        turn += f", asked to stop turn {detail.facts['stop']}"
    lines = [
        f"thread    {one.thread_id}",
        f"scope     {one.scope or '?'}, channel {one.channel or '?'}",
        f"begun     {_ago(one.began_at)} by {one.starter or '?'}, heard {_ago(one.heard_at)}",
        f"forgotten in {_span(detail.expires_s)}, unless somebody writes",
        f"mailbox   {one.waiting} waiting of {one.messages} ever",
        f"lease     {one.worker or 'nobody'}" + (f", {detail.lease_ms / 1000:.1f} s left" if one.worker else ""),
        f"fence     {detail.fence}",
        f"turn      {turn}",
        f"history   {one.turns} turns, {sum(map(len, detail.history)):,} characters; the last one "
        f"{detail.facts.get('ended', 'is none')}",
    ]
    if with_text:
        lines += [f"\n-- history {number} --\n{_pretty(text)}" for number, text in enumerate(detail.history, 1)]
        lines += [f"\n-- waiting --\n{_pretty(entry.partition(' ')[2])}" for entry in detail.mail]
    return lines


def _exported(detail: Detail) -> dict[str, object]:
    return {
        **asdict(detail.overview),
        "fence": detail.fence,
        "lease_ms": detail.lease_ms,
        "expires_s": detail.expires_s,
        "facts": detail.facts,
        "mail": [_json(entry.partition(" ")[2]) for entry in detail.mail],
        "turn": detail.journal,
        "history": [_json(text) for text in detail.history],
        "last": _json(detail.last) if detail.last else None,
    }


def _json(text: str) -> object:
    """What was stored as JSON; as it stands if it is none."""
    try:
        parsed: object = json.loads(text)
    except ValueError:
        return text
    return parsed


def _pretty(text: str) -> str:
    found = _json(text)
    return found if isinstance(found, str) else json.dumps(found, indent=2, ensure_ascii=False)


def _ago(at: float | None) -> str:
    return "?" if at is None else f"{_span(max(0.0, time.time() - at))} ago"


def _span(seconds: float) -> str:
    for unit in ("d", "h", "m"):
        if seconds >= 2 * _UNITS[unit]:
            return f"{int(seconds // _UNITS[unit])} {unit}"
    return f"{int(seconds)} s"
