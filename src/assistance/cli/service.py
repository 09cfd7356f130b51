"""A running service, as one of its clients sees it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from assistance.cli.failure import FailedError
from assistance.cli.tokens import find_token
from assistance.cli.variables import read_variables
from assistance.model import TryLater, Verdict
from assistance.outgoing import Http, HttpResponse
from assistance.settings import Secret

_SECONDS = 30.0
_MOST = 4 * 1024 * 1024
_REFUSED = 300


class Service:
    """Calls the service at `url` with a token; every answer that refuses becomes a FailedError."""

    def __init__(self, url: str, token: Secret, http: Http) -> None:
        """`http` must be open."""
        self.url = url.rstrip("/")
        self._token = token
        self._http = http

    async def get(self, path: str) -> dict[str, Any]:
        """The document at `path`. Raises FailedError."""
        return accepted(await self.call("GET", path))

    async def post(self, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The answer. Raises FailedError."""
        return accepted(await self.call("POST", path, body, headers))

    async def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, patience: float = 0
    ) -> HttpResponse:
        """The answer, whatever its status; `patience`: seconds for which the service may delay it.

        Raises:
            UnreachableError: nothing answers.
            FailedError: the address cannot be one of a service.
        """
        try:
            return await self._http.ask(
                method,
                f"{self.url}{path}",
                json=body,
                headers=headers,
                bearer=self._token,
                timeout=_SECONDS + patience,
                cap=_MOST,
            )
        except Verdict as verdict:
            raise unreachable(self.url, verdict) from None


class UnreachableError(FailedError):
    """Nothing answers there; it may later."""


def unreachable(url: str, verdict: Verdict) -> FailedError:
    """The failure when no answer comes from `url`."""
    if verdict.code == "https_required":
        return FailedError(f"{url} is not on this machine: a token is sent over https only")
    if not isinstance(verdict, TryLater):
        return FailedError(f"{url} cannot be the address of a service")
    return UnreachableError(f"no service answers at {url}: {verdict}")


def accepted(reply: HttpResponse) -> dict[str, Any]:
    """The answer's JSON. Raises FailedError when it refuses, or is none."""
    try:
        answer: dict[str, Any] = reply.json()
    except Verdict:
        raise FailedError(f"the answer cannot be read: status {reply.status}, is it an Assistance API?") from None
    if reply.status >= _REFUSED:
        raise FailedError(_problem(answer, reply.status))
    return answer


def _problem(problem: Mapping[str, Any], status: int) -> str:
    """A problem document (RFC 9457) in one line, with what a person needs to correct the call."""
    title, detail = problem.get("title", ""), problem.get("detail", "")
    parts = [f"{status} {title}", "" if detail in ("", title) else f": {detail}"]
    if isinstance(topics := problem.get("allowed_topics"), list):
        parts.append(f" (topics: {', '.join(map(str, topics))})")
    if isinstance(errors := problem.get("errors"), list):
        lines = [f"{error.get('pointer')} {error.get('detail')}" for error in errors if isinstance(error, dict)]
        parts.append(f" ({'; '.join(lines)})")
    return f"{''.join(parts)} [request_id {problem.get('request_id')}]"


@asynccontextmanager
async def connect(url: str, token: str | None) -> AsyncIterator[Service]:
    """The running service at `url`, for an operator's commands; `token` None: one that `find_token` finds.

    Raises:
        FailedError: no service answers there, or there is no token.
    """
    variables = read_variables()
    async with Http() as http:
        try:
            # First: where no service runs, "no token" would be the wrong hint.
            await http.ask("GET", f"{url.rstrip('/')}/livez", timeout=5)
        except Verdict as verdict:
            raise unreachable(url, verdict) from None
        yield Service(url, await find_token(token, url, "manage-assistance", variables, http), http)
