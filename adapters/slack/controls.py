"""Controls: the buttons below a Segment, and how their presses read.

A rating is asked for with Slack's own feedback buttons; a server that does not know them is given two plain ones.
Source: docs.slack.dev, "Context actions block" and "Feedback buttons element": a press has the value of the side that
was pressed.
"""

from __future__ import annotations

from typing import Literal

from core.chat import Segment

Block = dict[str, object]
Control = Literal["stop", "retry", "up", "down"]

STOP_ACTION = "parley_stop"
RETRY_ACTION = "parley_retry"
RATING_ACTION = "parley_rating"
UP_ACTION, DOWN_ACTION = "parley_up", "parley_down"
"""`action_id` of the buttons."""

_BUTTONS: dict[str, Control] = {STOP_ACTION: "stop", RETRY_ACTION: "retry", UP_ACTION: "up", DOWN_ACTION: "down"}


def control_blocks(segment: Segment, *, own_rating: bool = True) -> list[Block]:
    """The blocks with the buttons that `segment` asks for. own_rating: with Slack's own buttons for a rating."""
    controls = [(STOP_ACTION, "Stop", segment.stop), (RETRY_ACTION, "Retry", segment.retry)]
    if not own_rating:
        controls += [(UP_ACTION, "👍", segment.rating), (DOWN_ACTION, "👎", segment.rating)]
    buttons = [_button(action, label, value) for action, label, value in controls if value]
    blocks: list[Block] = [{"type": "actions", "block_id": "parley_actions", "elements": buttons}] if buttons else []
    if segment.rating and own_rating:
        element = {
            "type": "feedback_buttons",
            "action_id": RATING_ACTION,
            "positive_button": _side("👍", "Good answer", f"up {segment.rating}"),
            "negative_button": _side("👎", "Bad answer", f"down {segment.rating}"),
        }
        blocks.append({"type": "context_actions", "block_id": "parley_rating", "elements": [element]})
    return blocks


def read_control(action_id: str, value: str) -> tuple[Control, str] | None:
    """What was pressed and what the Segment had for it; None for a button that is not ours."""
    if action_id == RATING_ACTION:
        vote, _, rating = value.partition(" ")
        return ("up" if vote == "up" else "down", rating) if vote in ("up", "down") else None
    control = _BUTTONS.get(action_id)
    return (control, value) if control else None


def _button(action: str, label: str, value: str) -> Block:
    text = {"type": "plain_text", "text": label, "emoji": True}
    return {"type": "button", "action_id": action, "text": text, "value": value}


def _side(label: str, said: str, value: str) -> Block:
    return {"text": {"type": "plain_text", "text": label}, "accessibility_label": said, "value": value}
