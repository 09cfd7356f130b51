"""`POST /assistance`: the one call that a bot makes."""

import re
from contextlib import suppress

from fastapi import APIRouter, Request, Response
from starlette.types import Scope

from assistance.access.callers import caller_of, requester
from assistance.access.conditions import wait_of
from assistance.access.json_body import described, fingerprint, read_json, validate
from assistance.access.services import Services
from assistance.api.openapi import documented, takes
from assistance.intake import AcceptedRequest, Ask, answer
from assistance.model import Snapshot, Status
from assistance.server.problems import Problem
from assistance.store import Acceptance, Accepted, StoreUnavailableError
from assistance.telemetry import Metrics

_KEY = re.compile(r'"([\x21\x23-\x7e]{1,255})"|(?!""$)([\x21-\x7e]{1,255})')
_HEADERS = ["Preference-Applied", "Idempotency-Replayed"]


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
        headers={201: ["Location", *_HEADERS], 200: _HEADERS},
    ),
)
async def ask(request: Request) -> Response:
    """Ask for a person; answered once the request is on stable storage.

    The same `Idempotency-Key` gives the same answer for a week. What comes with the `conversation_id` of an open
    request is a follow-up: 200 and the same id; after five hundred of them 409, `/problems/too-many-follow-ups`. With
    `Prefer: wait=3` the answer waits until a channel has accepted the notice.
    """
    services: Services = request.app.state.services
    principal = await requester(request)
    key = _key(request)
    value = await read_json(request)
    body = validate(Ask, value)
    request.scope["state"]["counted"] = True  # by the intake, whether it accepts or refuses
    caller = caller_of(principal, request)
    accepted = await services.intake.accept(body, caller, (key, fingerprint(value)) if key else None)
    return await _answer(services, accepted, body, wait_of(request), request.scope)


def count_refusal(metrics: Metrics, scope: Scope) -> None:
    """Count a `POST /assistance` that was refused before it came to the intake; the outermost layer sees them all."""
    if scope["path"] == "/assistance" and scope["method"] == "POST" and "counted" not in scope["state"]:
        metrics.request("unknown", "refused")


async def _answer(services: Services, accepted: Accepted, body: Ask, wait: float | None, scope: Scope) -> Response:
    request_id = accepted.request.id
    if accepted.answer is not None:
        return _response(*accepted.answer, request_id, {"Idempotency-Replayed": "true"})
    snapshot = Snapshot(accepted.request, accepted.deliveries)
    headers: dict[str, str] = {}
    if wait:
        with services.waiting.slot(scope) as free:
            if free:
                snapshot = await _notified(services, snapshot, wait)
                headers["Preference-Applied"] = f"wait={wait:g}"
    status = 201 if accepted.how is Acceptance.CREATED else 200
    return _response(status, answer(*snapshot, body.ignored()), request_id, headers)


def _response(status: int, content: bytes, request_id: str, headers: dict[str, str]) -> Response:
    if status == 201:  # noqa: PLR2004
        headers["Location"] = f"/assistance/{request_id}"
    return Response(content, status, headers, "application/json")


async def _notified(services: Services, accepted: Snapshot, seconds: float) -> Snapshot:
    """The request once a channel has accepted its notice or it is over, or as it is after `seconds`."""

    async def read() -> Snapshot:
        # The request is stored: a store that cannot be read just now must not turn the answer into a refusal.
        with suppress(StoreUnavailableError):
            return await services.store.get(accepted.request.id) or accepted
        return accepted

    return await services.waiting.until(
        accepted.request.id, read, lambda found: found.request.status is not Status.ACCEPTED, seconds
    )


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
