"""The `parley` command. Each command imports what it needs when it runs, so that `--help` answers at once."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from bots.settings import Settings

EXIT_CONFIG = 2
"""Exit code when a setting, an account or an address has to be put right."""

app = typer.Typer(
    help="Parley: an LLM agent that lives in Slack and Discord.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
slack = typer.Typer(help="Set Parley up in Slack.", no_args_is_help=True)
discord = typer.Typer(help="Set Parley up in Discord.", no_args_is_help=True)
sessions = typer.Typer(help="List, show, export or forget what is remembered.", no_args_is_help=True)
app.add_typer(sessions, name="sessions")
app.add_typer(slack, name="slack")
app.add_typer(discord, name="discord")


def main() -> None:
    """Run the command line; an error that somebody must put right is one line on stderr, and exit code 2."""
    from core.errors import ConfigError, StoreUnavailable

    try:
        app()
    except (ConfigError, StoreUnavailable) as exc:
        print(f"parley: {exc}", file=sys.stderr)  # noqa: T201  # this is the command line's voice
        sys.exit(EXIT_CONFIG)
    except KeyboardInterrupt:
        sys.exit(130)


@app.command()
def run(
    role: Annotated[
        str, typer.Option(help="all, ingress (listens and stores) or worker (answers); else what PARLEY_ROLE says.")
    ] = "",
) -> None:
    """Answer on every platform whose tokens are set."""
    from bots.serve import serve

    _with_settings(serve, **({"parley_role": role} if role else {}))


@app.command()
def demo(
    port: Annotated[int | None, typer.Option(help="Port of the web page; 0 takes any free one.")] = None,
) -> None:
    """Try Parley without any account. It shows a local Slack and a local Discord on one web page."""
    from bots.demo import serve_demo

    _with_settings(
        lambda settings: serve_demo(settings, settings.parley_http_port if port is None else port), log_level="WARNING"
    )


@app.command()
def start() -> None:
    """`run` if a platform's token is set, else `demo`. This is what `make run` does."""
    from bots.settings import Settings

    if Settings.load().has_platform:
        run(role="")
    else:
        demo(port=None)


@app.command()
def chat(
    new: Annotated[bool, typer.Option("--new", help="Forget the earlier conversation first.")] = False,
) -> None:
    """Talk to Parley in this terminal."""
    from bots.chat import chat_in_terminal

    _with_settings(lambda settings: chat_in_terminal(settings, new=new), log_level="ERROR")


@app.command()
def usage(
    scope: Annotated[str, typer.Option(help="One workspace or server only, as in slack:T0123.")] = "",
) -> None:
    """Show tokens, cost and time. For today, 7 days and 30 days, by person, channel and model."""
    from bots.reports import print_usage

    _with_settings(lambda settings: print_usage(settings, scope), log_level="ERROR")


@app.command()
def doctor() -> None:
    """Check the set-up and say what to put right. That is settings, Redis, the model and each platform's tokens."""
    from bots.doctor import examine

    _with_settings(examine, log_level="ERROR")


_Thread = Annotated[str, typer.Argument(metavar="THREAD", help="As `parley sessions list` shows it.")]
_AnyThread = Annotated[str, typer.Argument(metavar="[THREAD]", help="One thread, or options that choose some.")]
_Scope = Annotated[str, typer.Option(help="Of one workspace or server, as in slack:T0123.")]
_User = Annotated[str, typer.Option(help="Begun by one person, as in slack:U0123.")]
_OlderThan = Annotated[str, typer.Option(help="Nobody wrote for so long: 12h, 30d, 4w.")]


@sessions.command("list")
def sessions_list(
    scope: _Scope = "",
    user: _User = "",
    older_than: _OlderThan = "",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """List sessions, the one heard from last first. Exit code 1 if there is none."""
    from bots.sessions import print_list, read_filter

    wanted = read_filter(scope, user, older_than)
    _with_settings(lambda settings: print_list(settings, wanted, as_json=as_json), log_level="ERROR")


@sessions.command("show")
def sessions_show(
    thread: _Thread,
    text: Annotated[bool, typer.Option("--text", help="Also what people and the model said.")] = False,
) -> None:
    """Show one session: mailbox, lease, fence, the turn in progress, sizes. Exit code 1 if it is not there."""
    from bots.sessions import print_one

    _with_settings(lambda settings: print_one(settings, thread, with_text=text), log_level="ERROR")


@sessions.command("export")
def sessions_export(
    thread: _AnyThread = "",
    scope: _Scope = "",
    user: _User = "",
    older_than: _OlderThan = "",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file instead of the terminal.")] = None,
) -> None:
    """Write everything stored as JSON, message text included. Exit code 1 if there is nothing."""
    from bots.sessions import export, read_filter

    wanted = read_filter(scope, user, older_than)
    _with_settings(lambda settings: export(settings, thread, wanted, output), log_level="ERROR")


@sessions.command("forget")
def sessions_forget(
    thread: _AnyThread = "",
    scope: _Scope = "",
    user: _User = "",
    older_than: _OlderThan = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Forget a session; with --user alone all about a person, with --scope alone all about a workspace or server,
    usage included. Exit code 1 if there was nothing."""
    from bots.sessions import forget, read_filter

    wanted = read_filter(scope, user, older_than)
    _with_settings(lambda settings: forget(settings, thread, wanted, sure=yes), log_level="ERROR")


@slack.command("manifest")
def slack_manifest(
    url: Annotated[str, typer.Option(help="Public https address of this bot, for HTTP instead of Socket Mode.")] = "",
    name: Annotated[str, typer.Option(help="Name of the app and its bot.")] = "Parley",
    command: Annotated[str, typer.Option(help="The slash command.")] = "/parley",
) -> None:
    """Print the app manifest to create the Slack app from."""
    from adapters.slack.manifest import manifest
    from core.errors import ConfigError

    try:
        made = manifest(url or None, name=name, command=command)
    except ValueError as exc:
        raise ConfigError("slack manifest", f"{exc}.") from exc
    typer.echo(json.dumps(made, indent=2))


@discord.command("invite")
def discord_invite() -> None:
    """Print the link that brings the bot into a server (needs DISCORD_BOT_TOKEN)."""
    from bots.invite import print_invite

    _with_settings(print_invite, log_level="ERROR")


def _with_settings(job: Callable[[Settings], Coroutine[Any, Any, None]], log_level: str = "", **overrides: str) -> None:
    from dotenv import load_dotenv

    from bots import logs, loop
    from bots.settings import Settings

    load_dotenv(".env")  # keys of further providers (GROQ_API_KEY, ...) are read from the environment by their models
    settings = Settings.load(**overrides)
    logs.set_up(log_level or settings.parley_log_level)
    loop.run(job(settings))


if __name__ == "__main__":
    main()
