"""What Block Kit accepts. Sizes: slack_sdk's block models and docs.slack.dev/reference/block-kit, read 2026-11.

A refusal reads as Slack's does: `invalid_blocks` with messages such as
"[ERROR] must be less than 3001 characters [json-pointer:/blocks/0/text/text]".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from adapters.emulators.slack.errors import SlackError

BLOCKS_PER_MESSAGE = 50
BLOCKS_PER_VIEW = 100
SECTION_TEXT = 3000
FIELD_TEXT = 2000
FIELDS = 10
HEADER_TEXT = 150
ACTIONS = 25
CONTEXT_ELEMENTS = 10
CONTEXT_ACTIONS = 5
BUTTON_TEXT = 75
BUTTON_VALUE = 2000
IDENTIFIER = 255
URL = 3000
ALT_TEXT = 2000
OPTIONS = 100
MARKDOWN_TEXT = 12_000
TABLE_ROWS, TABLE_COLUMNS, TABLE_TEXT = 100, 20, 10_000
TABLES_PER_MESSAGE = 1
"""Docs of the block's first release; that a second table is refused with `only_one_table_allowed` is what peers report
(vercel/chat#194, openclaw/openclaw#57717)."""
DATA_TABLE_ROWS = 101
MESSAGE_TEXT = 13_200
"""Characters in all blocks of a message together. Not documented; measured in slackapi/bolt-js#2509."""

_KNOWN = frozenset(
    [
        "section",
        "header",
        "divider",
        "image",
        "actions",
        "context",
        "context_actions",
        "input",
        "rich_text",
        "markdown",
        "table",
        "data_table",
        "video",
        "file",
        "call",
        "task_card",
        "plan",
        "card",
        "carousel",
        "alert",
    ]
)
_BUTTONS = frozenset({"button", "workflow_button", "icon_button", "feedback_buttons"})


def read_blocks(value: Any) -> list[dict[str, Any]]:
    """Return the blocks in a request's value, JSON text or JSON itself. Raises invalid_blocks_format."""
    if isinstance(value, str):
        try:
            value = json.loads(value or "[]")
        except ValueError:
            raise SlackError("invalid_blocks_format") from None
    if not isinstance(value, list) or not all(isinstance(block, dict) for block in value):
        raise SlackError("invalid_blocks_format")
    return value


def check_blocks(blocks: list[dict[str, Any]], *, limit: int = BLOCKS_PER_MESSAGE, root: str = "/blocks") -> None:
    """Refuse what Slack refuses. Raises invalid_blocks, msg_blocks_too_long."""
    faults = list(_faults(blocks, limit, root))
    if faults:
        raise SlackError("invalid_blocks", messages=[f"[ERROR] {what} [json-pointer:{at}]" for what, at in faults])
    markdown = sum(len(block["text"]) for block in blocks if block["type"] == "markdown")
    if root == "/blocks" and (markdown > MARKDOWN_TEXT or text_size(blocks) > MESSAGE_TEXT):
        raise SlackError("msg_blocks_too_long")


def text_size(value: Any) -> int:
    """Count the characters a person could see in Block Kit JSON (Any: nested as deep as it comes)."""
    if isinstance(value, list):
        return sum(text_size(item) for item in value)
    if not isinstance(value, dict):
        return 0
    own = sum(len(value[key]) for key in ("text", "alt_text", "title") if isinstance(value.get(key), str))
    return own + sum(text_size(item) for item in value.values())


Fault = tuple[str, str]


def _faults(blocks: list[dict[str, Any]], limit: int, root: str) -> Iterator[Fault]:
    if len(blocks) > limit:
        yield f"no more than {limit} items allowed", root
    seen: set[str] = set()
    for index, block in enumerate(blocks):
        at = f"{root}/{index}"
        block_id = block.get("block_id")
        if isinstance(block_id, str) and block_id:
            if len(block_id) > IDENTIFIER:
                yield f"must be less than {IDENTIFIER + 1} characters", f"{at}/block_id"
            if block_id in seen:
                yield f"block_id `{block_id}` already exists", f"{at}/block_id"
            seen.add(block_id)
        yield from _block_faults(block, at)
    tables = [(index, block) for index, block in enumerate(blocks) if block.get("type") == "table"]
    for index, _ in tables[TABLES_PER_MESSAGE:]:
        yield "only_one_table_allowed", f"{root}/{index}"


def _block_faults(block: dict[str, Any], at: str) -> Iterator[Fault]:
    kind = str(block.get("type"))
    if kind not in _KNOWN:
        yield f"unsupported type: {kind}", f"{at}/type"
    elif kind == "section":
        yield from _section(block, at)
    elif kind == "header":
        yield from _text_object(block.get("text"), f"{at}/text", HEADER_TEXT, plain=True)
    elif kind == "markdown":
        yield from _string(block.get("text"), f"{at}/text", MARKDOWN_TEXT)
    elif kind == "actions":
        yield from _elements(block, at, ACTIONS)
    elif kind == "context_actions":
        yield from _elements(block, at, CONTEXT_ACTIONS, _BUTTONS)
    elif kind == "context":
        yield from _context(block, at)
    elif kind == "image":
        yield from _image(block, at)
    elif kind == "rich_text":
        elements = block.get("elements")
        if not isinstance(elements, list) or not all(isinstance(element, dict) for element in elements):
            yield "missing required field: elements", at
    elif kind in {"table", "data_table"}:
        yield from _table(block, at, TABLE_ROWS if kind == "table" else DATA_TABLE_ROWS)
        if kind == "data_table" and not block.get("caption"):
            yield "missing required field: caption", at


def _section(block: dict[str, Any], at: str) -> Iterator[Fault]:
    fields = block.get("fields")
    if "text" not in block and not fields:
        yield "missing required field: text", at
    if "text" in block:
        yield from _text_object(block["text"], f"{at}/text", SECTION_TEXT)
    if isinstance(fields, list):
        if len(fields) > FIELDS:
            yield f"no more than {FIELDS} items allowed", f"{at}/fields"
        for index, item in enumerate(fields):
            yield from _text_object(item, f"{at}/fields/{index}", FIELD_TEXT)
    if isinstance(block.get("accessory"), dict):
        yield from _element(block["accessory"], f"{at}/accessory")


def _elements(block: dict[str, Any], at: str, limit: int, allowed: frozenset[str] | None = None) -> Iterator[Fault]:
    elements = block.get("elements")
    if not isinstance(elements, list) or not elements:
        yield "missing required field: elements", at
        return
    if len(elements) > limit:
        yield f"no more than {limit} items allowed", f"{at}/elements"
    seen: set[str] = set()
    for index, element in enumerate(elements):
        where = f"{at}/elements/{index}"
        if not isinstance(element, dict) or (allowed is not None and str(element.get("type")) not in allowed):
            yield "failed to match all allowed schemas", where
            continue
        action_id = element.get("action_id")
        if isinstance(action_id, str):
            if action_id in seen:
                yield f"`action_id` {action_id} already exists", f"{where}/action_id"
            seen.add(action_id)
        yield from _element(element, where)


def _element(element: dict[str, Any], at: str) -> Iterator[Fault]:
    kind = str(element.get("type"))
    if not isinstance(element.get("type"), str):
        yield "missing required field: type", at
    if kind == "image":
        yield from _image(element, at)
        return
    for key, limit in (("action_id", IDENTIFIER), ("value", BUTTON_VALUE), ("url", URL)):
        if isinstance(element.get(key), str) and len(element[key]) > limit:
            yield f"must be less than {limit + 1} characters", f"{at}/{key}"
    if kind in {"button", "workflow_button", "icon_button"}:
        yield from _text_object(element.get("text"), f"{at}/text", BUTTON_TEXT, plain=True)
        if "style" in element and str(element["style"]) not in {"primary", "danger"}:
            yield "must be one of the allowed values", f"{at}/style"
    if kind == "feedback_buttons":
        for side in ("positive_button", "negative_button"):
            yield from _feedback_button(element.get(side), f"{at}/{side}")
    if isinstance(element.get("options"), list) and len(element["options"]) > OPTIONS:
        yield f"no more than {OPTIONS} items allowed", f"{at}/options"


def _feedback_button(button: Any, at: str) -> Iterator[Fault]:
    if not isinstance(button, dict):
        yield f"missing required field: {at.rsplit('/', 1)[-1]}", at.rsplit("/", 1)[0]
        return
    yield from _text_object(button.get("text"), f"{at}/text", BUTTON_TEXT, plain=True)
    yield from _string(button.get("value"), f"{at}/value", BUTTON_VALUE)


def _context(block: dict[str, Any], at: str) -> Iterator[Fault]:
    elements = block.get("elements")
    if not isinstance(elements, list) or not elements:
        yield "missing required field: elements", at
        return
    if len(elements) > CONTEXT_ELEMENTS:
        yield f"no more than {CONTEXT_ELEMENTS} items allowed", f"{at}/elements"
    for index, element in enumerate(elements):
        where = f"{at}/elements/{index}"
        if isinstance(element, dict) and element.get("type") == "image":
            yield from _image(element, where)
        else:
            yield from _text_object(element, where, SECTION_TEXT)


def _image(block: dict[str, Any], at: str) -> Iterator[Fault]:
    if not block.get("image_url") and not block.get("slack_file"):
        yield "missing required field: image_url", at
    yield from _string(block.get("alt_text"), f"{at}/alt_text", ALT_TEXT)
    if isinstance(block.get("image_url"), str) and len(block["image_url"]) > URL:
        yield f"must be less than {URL + 1} characters", f"{at}/image_url"


def _table(block: dict[str, Any], at: str, limit: int) -> Iterator[Fault]:
    rows = block.get("rows")
    if not isinstance(rows, list) or not rows:
        yield "missing required field: rows", at
        return
    if len(rows) > limit:
        yield f"no more than {limit} items allowed", f"{at}/rows"
    if text_size(rows) > TABLE_TEXT:
        yield f"must be less than {TABLE_TEXT + 1} characters", f"{at}/rows"
    settings = block.get("column_settings", [])
    if not isinstance(settings, list) or len(settings) > TABLE_COLUMNS:
        yield f"no more than {TABLE_COLUMNS} items allowed", f"{at}/column_settings"
    else:
        for column, setting in enumerate(settings):
            if isinstance(setting, dict) and setting.get("align", "left") not in ("left", "center", "right"):
                yield "must be one of the allowed values", f"{at}/column_settings/{column}/align"
    for index, row in enumerate(rows):
        if not isinstance(row, list) or len(row) > TABLE_COLUMNS:
            yield f"no more than {TABLE_COLUMNS} items allowed", f"{at}/rows/{index}"
            continue
        for column, cell in enumerate(row):
            where = f"{at}/rows/{index}/{column}"
            if not isinstance(cell, dict) or cell.get("type") not in ("raw_text", "rich_text", "raw_number"):
                yield "failed to match all allowed schemas", where
            elif cell["type"] == "rich_text" and not cell.get("elements"):
                yield "missing required field: elements", where
            elif text_size(cell) == 0 and not _links_in(cell):
                yield "must be more than 0 characters", f"{where}/text"


def _links_in(cell: dict[str, Any]) -> bool:
    """Whether a cell shows an address: a link needs no words of its own."""
    return '"type": "link"' in json.dumps(cell) and '"url": "' in json.dumps(cell)


def _text_object(value: Any, at: str, limit: int, *, plain: bool = False) -> Iterator[Fault]:
    kinds = {"plain_text"} if plain else {"plain_text", "mrkdwn"}
    if not isinstance(value, dict):
        yield f"missing required field: {at.rsplit('/', 1)[-1]}", at.rsplit("/", 1)[0]
    elif str(value.get("type")) not in kinds:
        yield "failed to match all allowed schemas", at
    else:
        yield from _string(value.get("text"), f"{at}/text", limit)


def _string(value: Any, at: str, limit: int) -> Iterator[Fault]:
    if not isinstance(value, str):
        yield f"missing required field: {at.rsplit('/', 1)[-1]}", at.rsplit("/", 1)[0]
    elif not value:
        yield "must be more than 0 characters", at
    elif len(value) > limit:
        yield f"must be less than {limit + 1} characters", at
