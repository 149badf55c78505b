"""What Parley itself says: help, notices, and what went wrong in words fit for the person who asked."""

from __future__ import annotations

import math
from collections.abc import Sequence

from core.models.errors import (
    AgentRunError,
    FallbackExceptionGroup,
    ModelAuthError,
    ModelConnectionError,
    ModelContentFiltered,
    ModelContextTooLong,
    ModelHTTPError,
    ModelNotFound,
    ModelOverloaded,
    ModelQuotaExceeded,
    ModelRateLimited,
    ModelStreamBroken,
    ModelTimeout,
    UnexpectedModelBehavior,
    UsageLimitExceeded,
)
from core.replies import GiveUp
from core.usage import TurnUsage

THINKING = "_Thinking…_"
IS_THINKING = "is thinking…"
"""As it follows our name."""
STOPPED = "⏹️ _Stopped._"
STOPPED_BY_RESTART = "⏹️ _Stopped: Parley is shutting down. Ask again in a moment._"
INTERRUPTED = "⏹️ _Interrupted by the next question._"
WITHDRAWN = "⏹️ _Stopped: the question was deleted._"
STOP_DONE = "⏹️ Stopped."
NOTHING_RUNS = "Nothing is running here."
FORGOTTEN = "🧹 Done. I have forgotten this conversation; what you say next starts a new one."
NOTHING_TO_FORGET = "There is no conversation of yours here that I remember."
POINT_FINISHED = "The answer above is finished"
POINT_FAILED = "The answer above has ended before it was finished"
EMPTY_ANSWER = "⚠️ _The model gave an empty answer. Ask again, or put it in other words._"
CUT_BY_LENGTH = "⚠️ _The model reached the most it may write in one answer. Say “go on” for the rest._"
GAVE_UP = "⚠️ _I tried to answer this several times and was interrupted each time. Please ask again._"
TOO_LONG = "⚠️ _This took longer than {minutes} minutes, so I ended it._"


def undeliverable(given_up: GiveUp, hint: str) -> str:
    """What a person is told alone when an answer to them cannot be shown where they asked."""
    match given_up.cause:
        case "gone":
            why = "the channel or thread is archived, locked or gone, or I am not in it any more"
        case "forbidden":
            why = "I may not write there"
        case "frozen":
            why = "my messages there cannot be edited"
        case "closed":
            why = "too much was written at once, and I may not write or edit there for a while; ask again later"
        case _:
            why = "what I wrote was refused there"
    remedy = f" Somebody who administers it can put that right: {hint}." if hint else ""
    return f"⚠️ I could not show you my answer where you asked: {why}.{remedy}"


def footer(usage: TurnUsage) -> str:
    """Model, time and cost of one answer."""
    about = "about " if usage.estimated and usage.cost_nano_usd else ""
    return f"{usage.model.replace('`', '')} · {usage.seconds:.1f} s · {about}{_price(usage.cost_nano_usd)}"


def _price(nano_usd: int | None) -> str:
    if nano_usd is None:
        return "price not known"
    usd = nano_usd / 1e9
    return "no cost" if usd == 0 else f"${usd:.2f}" if usd >= 1 else f"${usd:.4f}"


_MOST_TOOLS_NAMED = 3
_TOOL_NAME_WIDTH = 40


def using(tools: Sequence[str]) -> str:
    """The line while tools run, each named once."""
    names = [f"`{_one_word(name)}`" for name in dict.fromkeys(tools)]
    named, more = names[:_MOST_TOOLS_NAMED], len(names) - _MOST_TOOLS_NAMED
    return f"🔧 Using {', '.join(named)}{f' and {more} more' if more > 0 else ''}…"


def is_using(tools: Sequence[str]) -> str:
    """The same as it follows our name, in plain words."""
    names = [_one_word(name) for name in dict.fromkeys(tools)]
    named, more = names[:_MOST_TOOLS_NAMED], len(names) - _MOST_TOOLS_NAMED
    return f"is using {', '.join(named)}{f' and {more} more' if more > 0 else ''}…"


def failing(tool: str) -> str:
    """The line after a tool has failed, until the answer goes on."""
    return f"🔧 `{_one_word(tool)}` did not work; going on…"


def _one_word(name: str) -> str:
    """A tool's name as it fits into code; an engine that is not ours may call its tools anything."""
    shown = "".join(character for character in name if character.isprintable() and character not in "` ")
    return shown[:_TOOL_NAME_WIDTH] or "a tool"


def failure(exc: BaseException, reference: str) -> str:
    """One line for the person: what happened and what to do. `reference` finds the log line."""
    while isinstance(exc, FallbackExceptionGroup):
        exc = exc.exceptions[-1]  # every model failed: the last one says what to do now
    said = _model_failure(exc) if isinstance(exc, AgentRunError) else None
    return f"⚠️ {said or f'Something went wrong while I answered. It is in the log as `{reference}`.'}"


def _model_failure(exc: AgentRunError) -> str:
    match exc:
        case ModelAuthError():
            return (
                f"The model provider refused my credentials ({exc.status_code}). "
                "An administrator has to check its API key."
            )
        case ModelRateLimited():
            wait = "in a minute"
            if exc.retry_after_s:
                seconds = math.ceil(exc.retry_after_s)
                wait = f"in about {seconds} second{'s' if seconds > 1 else ''}"
            return f"The model provider is getting too many requests (429). Please try again {wait}."
        case ModelQuotaExceeded():
            return "The account at the model provider has run out of credit. An administrator has to top it up."
        case ModelOverloaded():
            return f"The model provider is overloaded ({exc.status_code}). Please try again in a minute."
        case ModelContextTooLong():
            return "This conversation has become too long for the model. Say `reset` to begin a new one."
        case ModelContentFiltered():
            return "The model provider's content filter stopped this answer."
        case ModelNotFound():
            return f"The model provider does not know the model `{exc.model_name}`. An administrator has to correct it."
        case ModelHTTPError():
            advice = "Please try again." if exc.status_code >= 500 else "An administrator finds the details in the log."
            return f"The model provider answered with an error ({exc.status_code}). {advice}"
        case ModelTimeout():
            return f"The model did not answer in time ({exc.limit_s:.0f} s). Please try again."
        case ModelStreamBroken():
            return "The connection to the model broke off, so this answer is not complete. Please ask again."
        case ModelConnectionError():
            return "I could not reach the model provider. Please try again in a moment."
        case UsageLimitExceeded():
            return f"I stopped at a limit: {exc.message}."
        case UnexpectedModelBehavior():
            return "The model answered with something I could not use. Please ask again."
        case _:
            return "The model run failed. Please try again."


def worth_remembering(exc: BaseException) -> bool:
    """Whether the question stays in the history after this failure: not if sending it again would fail again."""
    if isinstance(exc, FallbackExceptionGroup):
        return all(map(worth_remembering, exc.exceptions))
    if isinstance(exc, ModelContextTooLong | ModelContentFiltered):
        return False
    if isinstance(exc, ModelHTTPError):
        return exc.status_code >= 500 or exc.status_code in (401, 402, 403, 404, 408, 409, 429)
    return True
