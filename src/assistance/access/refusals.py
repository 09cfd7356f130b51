"""The one place that turns what the rooms below refuse into problem documents."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request, Response

from assistance.access.access import forbidden
from assistance.intake import UnknownCallbackError
from assistance.model import claimed_by
from assistance.routing import RoutingError, UnknownTopicError
from assistance.security import MissingScopeError
from assistance.server.problems import Problem, problem_response, refused, store_unavailable
from assistance.store import (
    ChangedError,
    ConflictError,
    KeyReusedError,
    NoSuchDeliveryError,
    NotFoundError,
    StoreUnavailableError,
    TooManyFollowUpsError,
)


def problem_of(error: Exception) -> Problem | None:
    """The answer to `error`, by its type or the nearest type it is derived from; None for an error that is a bug."""
    if isinstance(error, Problem):
        return error
    make = next((_PROBLEMS[each] for each in type(error).__mro__ if each in _PROBLEMS), None)
    return None if make is None else make(error)


def add_refusal_handlers(app: FastAPI) -> None:
    """Let `app` answer whatever endpoint raises one of these errors."""
    for refusal in _PROBLEMS:
        app.add_exception_handler(refusal, _answer)


async def _answer(request: Request, error: Exception) -> Response:
    problem = problem_of(error)
    assert problem is not None
    return problem_response(problem, request.scope)


def _conflict(error: ConflictError) -> Problem:
    claim = error.claim
    more: dict[str, Any] = {} if claim is None else {"claimed_by": claimed_by(claim)}
    return Problem(409, detail=f"That cannot be done: {error}.", type_="/problems/conflict", **more)


def _too_many_follow_ups(error: TooManyFollowUpsError) -> Problem:
    detail = f"That cannot be added: {error}. Once it is over, ask anew."
    return Problem(409, "Too many follow-ups", detail, type_="/problems/too-many-follow-ups")


def _key_reused(_error: KeyReusedError) -> Problem:
    detail = "This Idempotency-Key was used before with another body."
    return Problem(422, "Idempotency key reused", detail, type_="/problems/idempotency-key-reused")


def _unknown_topic(error: UnknownTopicError) -> Problem:
    allowed = list(error.allowed)
    return Problem(400, "Invalid topic", "Invalid topic", type_="/problems/invalid-topic", allowed_topics=allowed)


def _routing_file_refused(error: RoutingError) -> Problem:
    return Problem(
        409,
        "Routing file refused",
        "The routing file cannot be used; the one before stays in force.",
        type_="/problems/routing-file-refused",
        problems=[str(problem) for problem in error.problems],
    )


_PROBLEMS: dict[type[Exception], Callable[[Any], Problem]] = {
    ChangedError: lambda _: Problem(412, detail="The request has changed since; read it again."),
    ConflictError: _conflict,
    KeyReusedError: _key_reused,
    MissingScopeError: lambda error: forbidden(error.scope),
    NoSuchDeliveryError: lambda _: Problem(404, detail="The request has no such delivery."),
    # 404 for a request of another client too: an answer must not say which ids exist.
    NotFoundError: lambda _: Problem(404, detail="There is no such request."),
    RoutingError: _routing_file_refused,
    StoreUnavailableError: lambda _: store_unavailable(),
    TooManyFollowUpsError: _too_many_follow_ups,
    UnknownCallbackError: lambda _: refused(("callback",), "must be a callback registered for this client"),
    UnknownTopicError: _unknown_topic,
}
