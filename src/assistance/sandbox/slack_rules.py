"""What Slack refuses, by its own names: https://docs.slack.dev/reference/methods/chat.postMessage#errors.

Sizes are those of https://docs.slack.dev/reference/block-kit/blocks; the limit over all blocks is observed, not
published.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

_MAX_TEXT = 40_000
_MAX_BLOCKS = 50
_MAX_CHARACTERS = 13_200
_PLAIN = ("plain_text",)
_ANY = ("plain_text", "mrkdwn")
_TYPES = {"actions", "context", "divider", "header", "image", "input", "markdown", "rich_text", "section", "video"}


def content_error(payload: Mapping[str, Any]) -> tuple[str | None, list[str]]:
    """The error for what the message says, and Slack's remarks on it; `(None, [])` when it is accepted."""
    text, blocks = payload.get("text") or "", payload.get("blocks") or []
    if not isinstance(blocks, list):
        return "invalid_blocks_format", []
    if not isinstance(text, str):
        return "invalid_arguments", []
    remarks = list(_remarks(blocks))
    verdicts = (
        ("no_text", not text.strip() and not blocks),
        ("msg_too_long", len(text) > _MAX_TEXT),
        ("invalid_blocks", bool(remarks)),
        ("msg_blocks_too_long", _characters(blocks) > _MAX_CHARACTERS),
    )
    return next((error for error, wrong in verdicts if wrong), None), remarks


def _remarks(blocks: list[Any]) -> Iterator[str]:
    if len(blocks) > _MAX_BLOCKS:
        yield f"[ERROR] no more than {_MAX_BLOCKS} items allowed [json-pointer:/blocks]"
    for number, block in enumerate(blocks):
        here = f"/blocks/{number}"
        kind = block.get("type") if isinstance(block, dict) else None
        if kind not in _TYPES:
            yield f"[ERROR] unsupported type [json-pointer:{here}/type]"
        elif kind == "header":
            yield from _text(block.get("text"), 150, f"{here}/text", _PLAIN)
        elif kind == "section":
            if "text" in block or not block.get("fields"):
                yield from _text(block.get("text"), 3_000, f"{here}/text")
            if "fields" in block:
                yield from _each(block["fields"], 10, f"{here}/fields", lambda item, where: _text(item, 2_000, where))
        elif kind == "context":
            yield from _each(block.get("elements"), 10, f"{here}/elements", lambda _item, _where: ())
        elif kind == "actions":
            yield from _each(block.get("elements"), 25, f"{here}/elements", _button)


def _each(items: object, limit: int, where: str, check: Callable[[Any, str], Iterable[str]]) -> Iterator[str]:
    if not isinstance(items, list) or not items:
        yield f"[ERROR] missing required field [json-pointer:{where}]"
    elif len(items) > limit:
        yield f"[ERROR] no more than {limit} items allowed [json-pointer:{where}]"
    else:
        for number, item in enumerate(items):
            yield from check(item, f"{where}/{number}")


def _button(element: Any, where: str) -> Iterator[str]:
    """A button; other elements are not checked."""
    if isinstance(element, dict) and element.get("type") == "button":
        yield from _text(element.get("text"), 75, f"{where}/text", _PLAIN)
        for field, limit in (("value", 2_000), ("action_id", 255), ("url", 3_000)):
            if len(str(element.get(field, ""))) > limit:
                yield f"[ERROR] must be less than {limit + 1} characters [json-pointer:{where}/{field}]"


def _text(text: object, limit: int, where: str, types: tuple[str, ...] = _ANY) -> Iterator[str]:
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
