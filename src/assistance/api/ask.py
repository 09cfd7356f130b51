"""`POST /assistance`: the one call that a bot makes."""

import re
from collections.abc import Sequence
from contextlib import suppress

from fastapi import APIRouter, Request, Response
from starlette.types import Scope

from assistance.access.callers import caller_of, requester
from assistance.access.conditions import wait_of
from assistance.access.json_body import described, fingerprint, read_json, validate
from assistance.access.services import Services
from assistance.api.openapi.fields import takes
from assistance.api.openapi.responses import documented
from assistance.api.openapi.schemas import AcceptedRequest
from assistance.intake import Ask, answer
from assistance.model import AssistanceRequest, Delivery, Status
from assistance.server.problems import Problem
from assistance.store import Acceptance, Accepted, StoreUnavailableError
from assistance.telemetry import Metrics

_KEY = re.compile(r'"([\x21\x23-\x7e]{1,255})"|(?!""$)([\x21-\x7e]{1,255})')
_LONGEST_WAIT = 30.0
_TOLD = ["Preference-Applied", "Idempotency-Replayed"]


routes = APIRouter(tags=["assistance"])


@routes.post(
    "/assistance",
    status_code=201,
    response_model=None,
    openapi_extra=described(Ask) | takes("Idempotency-Key", "Prefer"),
    responses=documented(
        *(400, 401, 403, 409, 415, 422, 503),
        created=AcceptedRequest,
        ok=AcceptedRequest,
        tells={201: ["Location", *_TOLD], 200: _TOLD},
    ),
)
async def ask(request: Request) -> Response:
    """Ask for a person; answered once the request is on stable storage.

    The same `Idempotency-Key` gives the same answer for a week. A second ask of an open `conversation_id` is a
    follow-up: 200 and the same id; after five hundred of them 409, `/problems/too-many-follow-ups`. With
    `Prefer: wait=3` the answer waits for a channel that has it.
    """
    services: Services = request.app.state.services
    principal = await requester(request)
    key = _key(request)
    value = await read_json(request)
    body = validate(Ask, value)
    request.scope["state"]["counted"] = True  # by the intake, whatever becomes of it
    caller = caller_of(principal, request)
    accepted = await services.intake.accept(body, caller, (key, fingerprint(value)) if key else None)
    return await _answer(services, accepted, body, wait_of(request), request.scope)


def count_refusal(metrics: Metrics, scope: Scope) -> None:
    """Count a `POST /assistance` that was refused before it came to the intake; the outermost layer knows of all."""
    if scope["path"] == "/assistance" and scope["method"] == "POST" and "counted" not in scope["state"]:
        metrics.request("unknown", "refused")


async def _answer(services: Services, accepted: Accepted, body: Ask, wait: float | None, scope: Scope) -> Response:
    if accepted.answer is not None:
        return _response(*accepted.answer, accepted.request.id, {"Idempotency-Replayed": "true"})
    request: AssistanceRequest = accepted.request
    deliveries: Sequence[Delivery] = accepted.deliveries
    headers: dict[str, str] = {}
    if wait:
        with services.waiting.seat(scope) as seated:
            if seated:
                request, deliveries = await _told(services, request, deliveries, min(wait, _LONGEST_WAIT))
                headers["Preference-Applied"] = f"wait={min(wait, _LONGEST_WAIT):g}"
    status = 201 if accepted.how is Acceptance.CREATED else 200
    return _response(status, answer(request, deliveries, body.ignored()), request.id, headers)


def _response(status: int, content: bytes, request_id: str, headers: dict[str, str]) -> Response:
    if status == 201:  # noqa: PLR2004
        headers["Location"] = f"/assistance/{request_id}"
    return Response(content, status, headers, "application/json")


async def _told(
    services: Services, request: AssistanceRequest, deliveries: Sequence[Delivery], seconds: float
) -> tuple[AssistanceRequest, Sequence[Delivery]]:
    """The request once a channel has it or it is over, or as it is after `seconds`."""

    async def look() -> tuple[AssistanceRequest, Sequence[Delivery]]:
        # It is stored: that news of it cannot be read just now must not turn the answer into a refusal.
        with suppress(StoreUnavailableError):
            return await services.store.get(request.id) or (request, deliveries)
        return request, deliveries

    return await services.waiting.until(request.id, look, lambda seen: seen[0].status is not Status.ACCEPTED, seconds)


def _key(request: Request) -> str | None:
    """The `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header), quoted or bare."""
    values = request.headers.getlist("idempotency-key")
    if not values:
        return None
    match = _KEY.fullmatch(values[0]) if len(values) == 1 else None
    if match is None:
        raise Problem(
            400,
            "Invalid idempotency key",
            "Idempotency-Key must be 1 to 255 visible ASCII characters, once.",
            type_="/problems/invalid-idempotency-key",
        )
    return match[1] or match[2]
