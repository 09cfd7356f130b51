"""`assistance send`: what a bot does."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import typer

from assistance.cli.failure import plain
from assistance.cli.service import Service, UnreachableError, accepted
from assistance.cli.tokens import find_token
from assistance.cli.variables import read_variables
from assistance.model import Clock, SystemClock, uuid7
from assistance.outgoing import Http, HttpResponse

PAUSES = (0.5, 2.0)
"""Seconds before the second and the third try."""
_LONGEST_PAUSE = 10.0
_CREATED = 201
_UNAVAILABLE = 503


async def send_request(
    body: Mapping[str, str | None], *, url: str, token: str | None, wait: float | None, key: str | None, as_json: bool
) -> None:
    """Send the request to the service at `url`, and print its answer.

    Args:
        body: the request; members that are None are left out.
        url: where the service answers.
        token: None for one that `find_token` finds.
        wait: seconds to wait until a channel has it.
        key: the Idempotency-Key; None for a new one.
        as_json: print the answer as it came.

    Raises:
        FailedError: it was not accepted.
    """
    clock = SystemClock()
    headers = {"Idempotency-Key": key or uuid7(clock.now())}
    if wait is not None:
        # Whole seconds is all that RFC 7240 has.
        headers["Prefer"] = f"wait={math.ceil(wait)}"
    request = {name: value for name, value in body.items() if value is not None}
    async with Http() as http:
        secret = await find_token(token, url, "request-assistance", read_variables(), http)
        reply = await _post(Service(url, secret, http), request, headers, clock, wait or 0)
    answer = accepted(reply)
    lines = [json.dumps(answer, indent=2)] if as_json else _shown(answer, reply, url)
    for line in lines:
        typer.echo(line)


async def _post(
    service: Service, body: Mapping[str, str], headers: Mapping[str, str], clock: Clock, patience: float
) -> HttpResponse:
    """The answer. The Idempotency-Key makes it safe to try again when it is unknown whether the request was stored."""
    for pause in PAUSES:
        try:
            reply = await service.call("POST", "/assistance", body, headers, patience)
        except UnreachableError:
            await clock.sleep(pause)
            continue
        if reply.status != _UNAVAILABLE:
            return reply
        await clock.sleep(min(pause if reply.retry_after is None else reply.retry_after, _LONGEST_PAUSE))
    return await service.call("POST", "/assistance", body, headers, patience)


def _shown(answer: Mapping[str, Any], reply: HttpResponse, url: str) -> Iterator[str]:
    """The answer in lines for a person."""
    yield plain(f"{answer['status']}: request {answer['id']} on {answer['topic']}, {_how(reply)}")
    yield "a person's channel has it" if answer["notified"] else "no person's channel has it yet"
    for each in answer["deliveries"]:
        more = each["last_error"] or (f"due {each['next_attempt_at']}" if each["next_attempt_at"] else "")
        yield plain(f"  {each['n']} {each['channel']}: {each['state']}{f' ({more})' if more else ''}")
    if answer["expected_response"]:
        yield plain(f"an answer may be expected by {answer['expected_response']}")
    yield plain(f"look again: {url.rstrip('/')}{answer['links']['self']}")


def _how(reply: HttpResponse) -> str:
    if "Idempotency-Replayed" in reply.headers:
        return "answered before for this key"
    return "new" if reply.status == _CREATED else "a follow-up of what is open"
