"""Orders: a command that was said in a thread is a Turn like any other, which Parley answers by itself."""

from __future__ import annotations

from typing import assert_never

from core.chat import texts
from core.chat.adapter import CommandCall, CommandName
from core.chat.commands import Commands
from core.chat.journal import Conclusion
from core.chat.manual import Manual
from core.chat.message import Message
from core.sessions import Begun


async def obey(verb: CommandName, message: Message, begun: Begun, commands: Commands, manual: Manual) -> Conclusion:
    """Do what `message` says with the one word `verb`. manual: of its platform.  Raises StoreUnavailable."""
    if begun.number == 1 and verb in ("stop", "reset"):
        # The command began this thread, so it means the one where this person talks with us, as a slash command.
        call = CommandCall(verb, message.author.user_id, message.scope, message.channel)
        return Conclusion(await commands.run(call), "", "answered", reset=verb == "reset")
    match verb:
        case "stop":
            done = int(begun.facts.get("stopped_before") or 0) >= begun.number
            return Conclusion(texts.STOP_DONE if done else texts.NOTHING_RUNS, "", "answered")
        case "reset":
            return Conclusion(texts.FORGOTTEN, "", "answered", reset=True)
        case "usage":
            return Conclusion(await commands.own_usage(message.scope, message.author.user_id), "", "answered")
        case "help":
            return Conclusion(manual.text(), "", "answered")
        case _:
            assert_never(verb)
