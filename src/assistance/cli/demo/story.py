"""What the demo shows: the call, what arrived, the time line."""

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from assistance.cli.failure import plain

_HEADERS = ("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted")

Json = Mapping[str, Any]


def ask(asked: Json, answer: Json, seconds: float) -> Iterator[str]:
    """The bot's call and the answer to it."""
    yield f"\n== The bot asks for {asked['topic']}"
    yield f"POST /assistance {json.dumps(asked, ensure_ascii=False)}"
    yield f"-> {answer['status']} after {seconds * 1000:.0f} ms, request {answer['id']}"


def arrived(sandbox: Json, request_id: str) -> Iterator[str]:
    """The Slack messages and mails of that request, as they arrived."""
    for message in sandbox["slack"]:
        if request_id in json.dumps(message):
            yield f"\n-- arrived in Slack, channel {message['channel']}"
            yield from _indented(message["text"])
            yield from _indented("\n".join(_facts(message["blocks"])))
    for mail in sandbox["mail"]:
        if request_id in mail["text"]:
            yield "\n-- arrived by mail"
            headers = mail["headers"]
            yield from _indented("\n".join(f"{name}: {headers[name]}" for name in _HEADERS if name in headers))
            yield ""
            yield from _indented(mail["text"])


def _facts(blocks: Sequence[Json]) -> Iterator[str]:
    """The short lines below the customer's words."""
    for block in blocks or ():
        yield from (field["text"] for field in block.get("fields", ()))


def _indented(text: str) -> Iterator[str]:
    for line in text.strip().splitlines():
        yield textwrap.indent(plain(line), "   ")


def time_line(events: Sequence[Json], deliveries: Sequence[Json]) -> Iterator[str]:
    """What happened to the request, and every try of each delivery."""
    yield "\n-- the time line"
    for event in events:
        data = " ".join(f"{name}={value}" for name, value in event["data"].items())
        yield plain(f"   {event['timestamp']}  {event['sequence']} {event['type']} {data}".rstrip())
    yield "-- the deliveries"
    for delivery in deliveries:
        due = delivery["next_attempt_at"]
        yield plain(
            f"   {delivery['n']} {delivery['kind']} by {delivery['channel']}: {delivery['state']}"
            + (f", due {due}" if due else "")
        )
        for made in delivery["tries"]:
            why = f" ({made['reason']})" if made["reason"] else ""
            yield f"     {made['at']}  {made['outcome']} in {made['seconds']:.3f} s{why}"
