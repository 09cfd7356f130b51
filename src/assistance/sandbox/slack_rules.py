"""What Slack refuses, by its own names: https://docs.slack.dev/reference/methods/chat.postMessage#errors.

Sizes are those of https://docs.slack.dev/reference/block-kit/blocks; the limit over all blocks is observed, not
published.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

MAX_TEXT = 40_000
MAX_BLOCKS = 50
MAX_BLOCKS_CHARACTERS = 13_200
_BLOCK_TYPES = {
    "actions",
    "context",
    "divider",
    "header",
    "image",
    "input",
    "markdown",
    "rich_text",
    "section",
    "video",
}
_CHANNEL_FORM = re.compile(r"[CGD][A-Z0-9]{6,}")
PLAYED = {"NOTFOUND": "channel_not_found", "ARCHIVED": "is_archived", "NOTIN": "not_in_channel"}


def token_error(token: str | None, known: frozenset[str] | None) -> str | None:
    """Slack's error for this token, None when it is good; `known` None takes any `xoxb-…` but `xoxb-revoked`."""
    if not token:
        return "not_authed"
    if known is not None:
        return None if token in known else "invalid_auth"
    if token == "xoxb-revoked":  # noqa: S105 - no secret: a name that plays a part
        return "token_revoked"
    return None if token.startswith("xoxb-") else "invalid_auth"


def channel_error(channel: object, known: frozenset[str] | None) -> str | None:
    """Slack's error for posting there; `known` None takes every id of the right form, and some ids play an error."""
    if not isinstance(channel, str):
        return "channel_not_found"
    if known is not None:
        return None if channel in known else "channel_not_found"
    if not _CHANNEL_FORM.fullmatch(channel):
        return "channel_not_found"
    return next((error for part, error in PLAYED.items() if part in channel), None)


def parsed(payload: Mapping[str, Any], field: str) -> Any:
    """A field that may be JSON written in a string, as in a form. Raises ValueError when it is not JSON."""
    value = payload.get(field)
    return json.loads(value) if isinstance(value, str) and value else value


def content_errors(payload: Mapping[str, Any]) -> tuple[str | None, list[str]]:
    """The error for what the message says, and Slack's remarks on it; `(None, [])` when it is taken."""
    text = payload.get("text") or ""
    try:
        blocks = parsed(payload, "blocks") or []
    except ValueError:
        return "invalid_blocks_format", []
    if not isinstance(text, str) or not isinstance(blocks, list):
        return "invalid_arguments" if isinstance(blocks, list) else "invalid_blocks_format", []
    remarks = list(_block_remarks(blocks))
    verdicts = (
        ("no_text", not text.strip() and not blocks and not payload.get("attachments")),
        ("msg_too_long", len(text) > MAX_TEXT),
        ("invalid_blocks", bool(remarks)),
        ("msg_blocks_too_long", _characters(blocks) > MAX_BLOCKS_CHARACTERS),
    )
    return next((error for error, wrong in verdicts if wrong), None), remarks


def _block_remarks(blocks: list[Any]) -> Iterator[str]:
    if len(blocks) > MAX_BLOCKS:
        yield f"[ERROR] no more than {MAX_BLOCKS} items allowed [json-pointer:/blocks]"
    for number, block in enumerate(blocks):
        where = f"/blocks/{number}"
        if not isinstance(block, dict) or block.get("type") not in _BLOCK_TYPES:
            yield f"[ERROR] unsupported type [json-pointer:{where}/type]"
        elif block["type"] == "section":
            yield from _section_remarks(block, where)
        elif block["type"] == "header":
            yield from _text_remarks(block.get("text"), 150, f"{where}/text", types=("plain_text",))
        elif block["type"] == "context":
            yield from _list_remarks(block.get("elements"), 10, f"{where}/elements")
        elif block["type"] == "actions":
            yield from _action_remarks(block, where)


def _section_remarks(block: dict[str, Any], where: str) -> Iterator[str]:
    fields = block.get("fields")
    if "text" in block or not fields:
        yield from _text_remarks(block.get("text"), 3_000, f"{where}/text")
    if fields is not None:
        yield from _list_remarks(fields, 10, f"{where}/fields")
        for number, field in enumerate(fields if isinstance(fields, list) else []):
            yield from _text_remarks(field, 2_000, f"{where}/fields/{number}")


def _action_remarks(block: dict[str, Any], where: str) -> Iterator[str]:
    elements = block.get("elements")
    yield from _list_remarks(elements, 25, f"{where}/elements")
    for number, element in enumerate(elements if isinstance(elements, list) else []):
        here = f"{where}/elements/{number}"
        if not isinstance(element, dict):
            yield f"[ERROR] must be an object [json-pointer:{here}]"
        elif element.get("type") == "button":
            yield from _text_remarks(element.get("text"), 75, f"{here}/text", types=("plain_text",))
            for field, limit in (("value", 2_000), ("action_id", 255), ("url", 3_000)):
                if len(str(element.get(field, ""))) > limit:
                    yield f"[ERROR] must be less than {limit + 1} characters [json-pointer:{here}/{field}]"


def _list_remarks(items: object, limit: int, where: str) -> Iterator[str]:
    if not isinstance(items, list) or not items:
        yield f"[ERROR] missing required field [json-pointer:{where}]"
    elif len(items) > limit:
        yield f"[ERROR] no more than {limit} items allowed [json-pointer:{where}]"


def _text_remarks(
    text: object, limit: int, where: str, types: tuple[str, ...] = ("plain_text", "mrkdwn")
) -> Iterator[str]:
    if not isinstance(text, dict) or text.get("type") not in types or not isinstance(text.get("text"), str):
        yield f"[ERROR] expected a text object [json-pointer:{where}]"
    elif not text["text"]:
        yield f"[ERROR] must be more than 0 characters [json-pointer:{where}/text]"
    elif len(text["text"]) > limit:
        yield f"[ERROR] must be less than {limit + 1} characters [json-pointer:{where}/text]"


def _characters(node: object) -> int:
    if isinstance(node, list):
        return sum(_characters(item) for item in node)
    if isinstance(node, dict):
        return sum(len(v) if k == "text" and isinstance(v, str) else _characters(v) for k, v in node.items())
    return 0
