"""What can go wrong in a run, by who must act.

ModelRetry                       a tool or validator asks the model to try again (never leaves a run)
  RetryAgentRun                  the same under Agno's name
StopAgentRun                     a tool ends the run, and what it says is the answer (never leaves a run)
UserError                        the developer: wrong use of the engine, or a missing setting
AgentRunError                    everything a run can end in
  UsageLimitExceeded             a limit that was set
  RunTimeout                     the time the run was given
  UnexpectedModelBehavior        the model said something that cannot be used
  ModelHTTPError                 the provider refused
    ModelAuthError               401, 403: the key
    ModelRateLimited             429: too fast; `retry_after_s`
    ModelQuotaExceeded           402, 429 insufficient_quota: the money
    ModelOverloaded              503, 529: the provider has no room
    ModelContextTooLong          the conversation does not fit
    ModelContentFiltered         the provider will not answer this
    ModelBadRequest              400, 422: we sent something it does not take
    ModelNotFound                404: no such model
  ModelConnectionError           nobody answered, or the connection broke before anything was said
    ModelTimeout                 a time limit passed; `phase` says which
  ModelStreamBroken              the answer ended in the middle; what was said is kept in the history
"""

from __future__ import annotations

from typing import Any, ClassVar

from core.messages._errors import AgentRunError, UnexpectedModelBehavior

__all__ = [
    "AgentRunError",
    "FallbackExceptionGroup",
    "ModelAuthError",
    "ModelBadRequest",
    "ModelConnectionError",
    "ModelContentFiltered",
    "ModelContextTooLong",
    "ModelHTTPError",
    "ModelNotFound",
    "ModelOverloaded",
    "ModelQuotaExceeded",
    "ModelRateLimited",
    "ModelRetry",
    "ModelStreamBroken",
    "ModelTimeout",
    "RetryAgentRun",
    "RunTimeout",
    "StopAgentRun",
    "UnexpectedModelBehavior",
    "UsageLimitExceeded",
    "UserError",
]


class ModelRetry(Exception):
    """Raise it in a tool or a result validator: the model reads `message` and tries again."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class RetryAgentRun(ModelRetry):
    """`ModelRetry` under Agno's name."""


class StopAgentRun(Exception):
    """Raise it in a tool: the model is not asked again, and `message` is the answer of the run.

    Tools called beside it finish. A run whose result may not be text ends in UnexpectedModelBehavior.
    """

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class UserError(RuntimeError):
    """The engine was used wrongly; the message says how to put it right."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class UsageLimitExceeded(AgentRunError):
    """A limit of `UsageLimits` was reached."""


class RunTimeout(AgentRunError):
    """The run did not come to its result within the `run_timeout` it was given. `limit_s`: its seconds."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"The run did not finish within {limit_s:g} s")
        self.limit_s = limit_s


class ModelHTTPError(AgentRunError):
    """The provider answered with an error. `body`: what it said, parsed where it is JSON."""

    says: ClassVar[str] = ""
    """What happened, for people; "" for the plain error."""

    def __init__(self, status_code: int, model_name: str, body: object | None = None) -> None:
        self.status_code = status_code
        self.model_name = model_name
        self.body = body
        facts = f"status_code: {status_code}, model_name: {model_name}, body: {body}"
        super().__init__(f"{self.says} ({facts})" if self.says else facts)


class ModelAuthError(ModelHTTPError):
    says = "The provider does not accept the API key, or the key may not use this model."


class ModelRateLimited(ModelHTTPError):
    """`retry_after_s`: seconds the provider asks us to wait, None if it does not say."""

    says = "The provider is receiving too many requests from this account; try again later."

    def __init__(
        self, status_code: int, model_name: str, body: object | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(status_code, model_name, body)
        self.retry_after_s = retry_after_s


class ModelQuotaExceeded(ModelHTTPError):
    says = "The account at the provider has no credit left."


class ModelOverloaded(ModelHTTPError):
    says = "The provider is overloaded at the moment; try again later."


class ModelContextTooLong(ModelHTTPError):
    says = "The conversation is longer than the model can read."


class ModelContentFiltered(ModelHTTPError):
    says = "The provider's content filter stopped the answer."


class ModelBadRequest(ModelHTTPError):
    says = "The provider does not accept the request."


class ModelNotFound(ModelHTTPError):
    says = "The provider does not know this model or address."


class ModelConnectionError(AgentRunError):
    """The provider could not be reached, or hung up before it said anything."""

    def __init__(self, message: str, model_name: str = "") -> None:
        super().__init__(message)
        self.model_name = model_name


class ModelTimeout(ModelConnectionError):
    """A time limit passed. `phase`: "connect", "first event", "idle", "progress" or "whole request".

    limit_s: its seconds.
    """

    def __init__(self, phase: str, limit_s: float, model_name: str = "") -> None:
        said = {
            "connect": "could not be reached",
            "first event": "did not begin to answer",
            "idle": "stopped in the middle of its answer for longer than allowed,",
            "progress": "was there, but went on with nothing of its answer",
            "whole request": "did not finish its answer",
        }[phase]
        super().__init__(f"The provider {said} within {limit_s:g} s", model_name)
        self.phase = phase
        self.limit_s = limit_s


class ModelStreamBroken(AgentRunError):
    """The answer ended in the middle. The part that arrived was streamed, and stays in the history."""

    def __init__(self, message: str, model_name: str = "") -> None:
        super().__init__(message)
        self.model_name = model_name


class FallbackExceptionGroup(ExceptionGroup[Any]):
    """Every model of a `FallbackModel` failed; one exception each, in order."""
