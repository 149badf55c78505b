"""`parley usage`: the ledger on the operator's terminal."""

from __future__ import annotations

import typer

from bots.bot import opened_store
from bots.settings import Settings
from core.ids import ScopeId
from core.usage import admin_report, read, scopes, today


async def print_usage(settings: Settings, scope: str) -> None:
    """Every workspace and server, or one. Raises ConfigError, StoreUnavailable."""
    async with opened_store(settings) as store:
        wanted = [ScopeId(scope)] if scope else await scopes(store)
        if not wanted:
            typer.echo("Nothing has been used yet.")
        for each in wanted:
            until = today()
            report = admin_report(await read(store, each, 30, until), until)
            typer.echo(f"== {each} ==\n{_plain(report)}\n")


def _plain(markdown: str) -> str:
    """A report for a terminal, which needs no code blocks to align columns."""
    return "\n".join(line for line in markdown.replace("**", "").splitlines() if line != "```")
