"""`parley usage`: the ledger on the operator's terminal."""

from __future__ import annotations

from functools import partial

import typer

from bots.bot import opened_store
from bots.settings import Settings
from core.ids import ScopeId
from core.usage import admin_report, read, scopes, today


async def print_usage(settings: Settings, scope: str) -> None:
    """Every workspace and server, or one. Raises ConfigError, StoreUnavailable."""
    async with opened_store(settings) as store:
        known = await scopes(store)
        if scope and scope not in known:
            there = f" Something was in {', '.join(known)}." if known else ""
            typer.echo(f"Nothing has been used in {scope}.{there}")
            return
        if not known:
            typer.echo("Nothing has been used yet.")
        for each in [ScopeId(scope)] if scope else known:
            until = today()
            report = admin_report(await read(store, each, 30, until), until, partial(_within, each))
            typer.echo(f"== {each} ==\n{_plain(report)}\n")


def _within(scope: ScopeId, name: str) -> str:
    """A channel's id below the heading that names its workspace, whole: in the column it would be cut."""
    return name.removeprefix(f"{scope}:")


def _plain(markdown: str) -> str:
    """A report for a terminal, which needs no code blocks to align columns."""
    return "\n".join(line for line in markdown.replace("**", "").splitlines() if line != "```")
