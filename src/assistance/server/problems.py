"""Errors as problem documents (RFC 9457): one shape for all of them, and never anything of the input."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, cast

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

MEDIA_TYPE = "application/problem+json"
BLANK = "about:blank"
"""The type of a problem of which its status says everything (RFC 9457, section 4.2.1)."""

# The titles of RFC 9110 where Python before 3.13 has older ones.
_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}
_DETAILS = {
    400: "The request cannot be understood.",
    404: "There is nothing here.",
    405: "This address does not answer to this method; the Allow field names those it does.",
    413: "The body is too large.",
    415: "The body must be JSON, sent as application/json.",
    500: "The service failed. It has been logged with the request_id.",
    503: "The service cannot answer now. Try again.",
}
_MOST_ERRORS = 50
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")

# How each kind of invalid value is described; `{…}` are bounds that we set, never what was sent.
_SENTENCES = {
    "missing": "is required",
    "string_type": "must be a string",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "does not have the required form",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be an integer",
    "int_parsing": "must be an integer",
    "int_parsing_size": "is too large a number",
    "int_from_float": "must be an integer",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "uuid_parsing": "must be a UUID",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "extra_forbidden": "is not known",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
}
_UNREADABLE = {"json_invalid", "json_type"}
_OURS = "assistance"


class Problem(HTTPException):
    """An answer that refuses; raise it anywhere inside of the envelope.

    Args:
        status: the HTTP status.
        title: the kind of problem, the same for all of its kind; by default the phrase of the status.
        detail: what to do about this one, in a sentence, without secrets and without what the caller sent.
        type_: the address of the kind's description, `/problems/…` (docs/problems.md).
        headers: further header fields of the answer.
        extensions: further members of the document.
    """

    def __init__(
        self,
        status: int,
        title: str | None = None,
        detail: str | None = None,
        *,
        type_: str = BLANK,
        headers: Mapping[str, str] | None = None,
        **extensions: Any,
    ) -> None:
        super().__init__(status, detail or _DETAILS.get(status, _phrase(status)), dict(headers or {}))
        self.title = title or _phrase(status)
        self.type = type_
        self.extensions = extensions

    def body(self, request_id: str) -> bytes:
        """The document."""
        document = {
            "type": self.type,
            "title": self.title,
            "status": self.status_code,
            "detail": self.detail,
            "request_id": request_id,
            **self.extensions,
        }
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def problem_response(problem: Problem, scope: Mapping[str, Any]) -> Response:
    """The answer to send for `problem`; the request's id comes from the scope's state."""
    request_id = str(scope.get("state", {}).get("request_id", ""))
    return Response(problem.body(request_id), problem.status_code, dict(problem.headers or {}), MEDIA_TYPE)


def validation_problem(errors: Iterable[ErrorDetails | Mapping[str, Any]]) -> Problem:
    """What is wrong with an input, by JSON pointers in URI fragment form (RFC 6901, section 6).

    Args:
        errors: as pydantic lists them. Our own validators raise `PydanticCustomError("assistance", "must …")`, whose
            text is passed on; the text of any other error may quote the input and is not.
    """
    listed = list(errors)
    if any(error["type"] in _UNREADABLE for error in listed):
        return Problem(400, "Unreadable body", "The body is not valid JSON.", type_="/problems/unreadable-body")
    shown = [{"pointer": _pointer(error["loc"]), "detail": _sentence(error)} for error in listed]
    return Problem(
        422,
        "Invalid input",
        f"{len(shown)} {'value is' if len(shown) == 1 else 'values are'} not valid; `errors` says which.",
        type_="/problems/invalid-input",
        errors=shown[:_MOST_ERRORS],
    )


def refused(loc: tuple[str | int, ...], detail: str) -> Problem:
    """The 422 about one value; `loc` is where it is: `("query", "cursor")`, or members of the body."""
    return validation_problem([{"type": _OURS, "loc": loc, "msg": detail}])


def store_unavailable() -> Problem:
    """The 503 for what cannot be stored or read now."""
    return Problem(
        503,
        "Store unavailable",
        "Nothing can be stored or read at the moment. Try again, with the same Idempotency-Key where there is one.",
        type_="/problems/store-unavailable",
        headers={"Retry-After": "1"},
    )


def add_problem_handlers(app: FastAPI) -> None:
    """Let `app` refuse with problem documents; what nothing handles is answered by the envelope."""
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http_exception)


async def _on_validation(request: Request, error: Exception) -> Response:
    errors = cast("RequestValidationError", error).errors()
    # FastAPI begins each `loc` with where the value came from; pointers are about the body.
    inside = [{**item, "loc": item["loc"][1:] if item["loc"][:1] == ("body",) else item["loc"]} for item in errors]
    return problem_response(validation_problem(inside), request.scope)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    problem = error if isinstance(error, Problem) else _translated(cast("HTTPException", error), request)
    return problem_response(problem, request.scope)


def _translated(error: HTTPException, request: Request) -> Problem:
    """A framework's exception as a problem with our own text: its text may quote the input."""
    headers = dict(error.headers or {})
    if "Allow" in headers:
        allowed = {*headers["Allow"].split(", "), *_methods(request)}
        headers["Allow"] = ", ".join(sorted(allowed | {"HEAD"} if "GET" in allowed else allowed))
    return Problem(error.status_code, headers=headers)


def _methods(request: Request) -> Iterator[str]:
    """The methods of all routes of this path: the exception names those of the first one only."""
    routers: Iterable[APIRouter] = getattr(request.app.state, "routers", ())
    for route in (each for router in routers for each in router.routes):
        if route.matches(request.scope)[0] is not Match.NONE:
            yield from getattr(route, "methods", None) or ()


def _phrase(status: int) -> str:
    return _TITLES.get(status) or HTTPStatus(status).phrase


def _pointer(loc: Iterable[int | str]) -> str:
    # A member's name may be the caller's own text; one that is not a plain name is shown as a star.
    parts = (str(part) if _NAME.fullmatch(str(part)) else "*" for part in loc)
    return "#" + "".join(f"/{part}" for part in parts)


def _sentence(error: ErrorDetails | Mapping[str, Any]) -> str:
    if error["type"] == _OURS:
        return str(error["msg"])
    return _SENTENCES.get(error["type"], "is not valid").format_map(error.get("ctx") or {})
