"""How Slack says no.

SlackError          a Web API answer with "ok": false; whoever called it must act
  RateLimited       HTTP 429 with Retry-After in whole seconds
"""

from __future__ import annotations

from typing import Any


class SlackError(Exception):
    """A refusal by its documented name. messages: what Slack adds under response_metadata.messages.

    extra: further keys of the answer, such as `needed` and `provided` of `missing_scope`.
    """

    def __init__(self, error: str, *, messages: list[str] | None = None, **extra: Any) -> None:
        super().__init__(error)
        self.error = error
        self.messages = messages or []
        self.extra = extra  # Any: JSON values that go into the answer as they are

    def answer(self) -> dict[str, Any]:
        """Return the JSON answer; `errors` repeats the messages without their "[ERROR] ", as Slack does."""
        body: dict[str, Any] = {"ok": False, "error": self.error, **self.extra}
        if self.messages:
            body["errors"] = [message.removeprefix("[ERROR] ") for message in self.messages]
            body["response_metadata"] = {"messages": self.messages}
        return body


class RateLimited(SlackError):
    """Too many calls: HTTP 429, {"ok": false, "error": "ratelimited"}, Retry-After in whole seconds.

    Source: docs.slack.dev/apis/web-api/rate-limits.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__("ratelimited")
        self.retry_after = retry_after


def invalid_arguments(*messages: str) -> SlackError:
    """Return `invalid_arguments` with messages as Slack words them, "[ERROR] ... [json-pointer:/...]"."""
    return SlackError("invalid_arguments", messages=[f"[ERROR] {message}" for message in messages])
