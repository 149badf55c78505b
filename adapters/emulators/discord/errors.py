"""Discord's refusals, with the exact JSON the API answers.

ApiError            one refusal: HTTP status, code, message, and for 50035 a tree of errors per field
  form_error        code 50035, "Invalid Form Body"
  refusal           any other code of the table below

Source: Discord "Opcodes and Status Codes" (JSON error codes) and "Reference: Error Messages", docs of 2026-08-06;
the HTTP statuses are those seen in public issue threads.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]  # JSON as it goes over the wire: this package is the edge where it is made and read

_REFUSALS: dict[int, tuple[int, str]] = {
    0: (404, "404: Not Found"),
    10002: (404, "Unknown Application"),
    10003: (404, "Unknown Channel"),
    10004: (404, "Unknown Guild"),
    10007: (404, "Unknown Member"),
    10008: (404, "Unknown Message"),
    10011: (404, "Unknown Role"),
    10013: (404, "Unknown User"),
    10014: (400, "Unknown Emoji"),
    10015: (404, "Unknown Webhook"),
    10062: (404, "Unknown interaction"),
    10063: (404, "Unknown application command"),
    30003: (400, "Maximum number of pins reached (50)"),
    30010: (400, "Maximum number of reactions reached (20)"),
    30032: (400, "Maximum number of application commands reached (100)."),
    30034: (400, "Maximum number of daily application command creates has been reached (200)"),
    30046: (429, "Maximum number of edits to messages older than 1 hour reached. Try again later"),
    40001: (401, "Unauthorized"),
    40005: (413, "Request entity too large"),
    40058: (400, "Cannot message this thread until after the post author has sent an initial message"),
    40060: (400, "Interaction has already been acknowledged."),
    40067: (400, "A tag is required to create a forum post in this channel"),
    50001: (403, "Missing Access"),
    50003: (400, "Cannot execute action on a DM channel"),
    50005: (403, "Cannot edit a message authored by another user"),
    50006: (400, "Cannot send an empty message"),
    50007: (403, "Cannot send messages to this user"),
    50008: (400, "Cannot send messages in a non-text channel"),
    50013: (403, "Missing Permissions"),
    50016: (
        400,
        "Provided too few or too many messages to delete. Must provide at least 2 and fewer than 100 messages",
    ),
    50019: (400, "A message can only be pinned to the channel it was sent in"),
    50021: (403, "Cannot execute action on a system message"),
    50024: (400, "Cannot execute this action on this channel type"),
    50027: (401, "Invalid Webhook Token"),
    50034: (400, "A message provided was too old to bulk delete"),
    50083: (400, "Thread is archived"),
    50109: (400, "The request body contains invalid JSON."),
    160002: (400, "Cannot reply without permission to read message history"),
    160004: (400, "A thread has already been created for this message"),
    160005: (403, "Thread is locked"),
    160006: (400, "Maximum number of active threads reached"),
    200000: (400, "Message was blocked by automatic moderation"),
}


class ApiError(Exception):
    """A refusal on its way to the caller: `status` (HTTP) and `body` (the JSON answered)."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(f"{status} {body.get('code')}: {body.get('message')}")
        self.status = status
        self.body = body

    @property
    def code(self) -> int:
        return int(self.body.get("code", 0))


def refusal(code: int, **extra: object) -> ApiError:
    """The refusal Discord gives under `code`; `extra` joins the body. Raises KeyError for a code not in the table."""
    status, message = _REFUSALS[code]
    return ApiError(status, {"message": message, "code": code, **extra})


def unauthorized() -> ApiError:
    return ApiError(401, {"message": "401: Unauthorized", "code": 0})


def known(code: int) -> tuple[int, str] | None:
    """(HTTP status, message) of `code`, None if this emulator has no words for it."""
    return _REFUSALS.get(code)


class FormErrors:
    """Collects what is wrong with a request body, field by field, and raises once as 50035.

    Paths are tuples of keys and list indexes: `add(("embeds", 0, "title"), code, text)` gives
    `{"embeds": {"0": {"title": {"_errors": [{"code": ..., "message": ...}]}}}}`.
    """

    def __init__(self) -> None:
        self._tree: Json = {}

    def add(self, path: tuple[str | int, ...], code: str, message: str) -> None:
        node = self._tree
        for step in path:
            node = node.setdefault(str(step), {})
        node.setdefault("_errors", []).append({"code": code, "message": message})

    def required(self, path: tuple[str | int, ...]) -> None:
        self.add(path, "BASE_TYPE_REQUIRED", "This field is required")

    def choices(self, path: tuple[str | int, ...], allowed: str) -> None:
        self.add(path, "BASE_TYPE_CHOICES", f"Value must be one of {{{allowed}}}.")

    def text(
        self, path: tuple[str | int, ...], value: object, *, most: int, least: int = 0, required: bool = False
    ) -> None:
        """Check that `value` is a string of `least` to `most` code points; None passes unless `required`."""
        if value is None:
            if required:
                self.required(path)
        elif not isinstance(value, str):
            self.add(path, "BASE_TYPE_STRING", "Must be a string.")
        elif least and not least <= len(value) <= most:
            self.add(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length.")
        elif len(value) > most:
            self.add(path, "BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer in length.")

    def length(self, path: tuple[str | int, ...], values: object, *, most: int, least: int = 0) -> bool:
        """Check that `values` is a list of `least` to `most` entries; True if it may be looked into."""
        if not isinstance(values, list):
            self.add(path, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
            return False
        if not least <= len(values) <= most:
            self.add(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length.")
            return False
        return True

    def done(self) -> None:
        """Raise ApiError 50035 if anything was added."""
        if self._tree:
            raise ApiError(400, {"message": "Invalid Form Body", "code": 50035, "errors": self._tree})


def form_error(path: tuple[str | int, ...], code: str, message: str) -> ApiError:
    """50035 with one error at `path`."""
    errors = FormErrors()
    errors.add(path, code, message)
    try:
        errors.done()
    except ApiError as exc:
        return exc
    raise AssertionError("one error was added")
