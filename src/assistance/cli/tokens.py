"""Where a command gets its token from."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import typer

from assistance.cli.failure import FailedError
from assistance.model import SystemClock, Verdict
from assistance.outgoing import Http, is_loopback
from assistance.security import DevelopmentIssuer
from assistance.security.tokens.claims import MAX_SUBJECT, is_subject
from assistance.settings import Secret
from assistance.settings.development import AUDIENCE, ISSUER, VAR

_AUTH0 = ("AUTH0_DOMAIN", "AUTH0_API_AUDIENCE", "TEST_CLIENT_ID", "TEST_CLIENT_SECRET")
_OK = 200


def development_token(scope: str, subject: str) -> str:
    """A token by the key below `var/`.

    Raises:
        FailedError: there is none.
        typer.BadParameter: the service would accept no token for `subject`.
    """
    if not is_subject(subject):
        rule = f"must be 1 to {MAX_SUBJECT} characters, none of them a control character"
        raise typer.BadParameter(rule, param_hint="--subject")
    return _issuer().token(scope, subject, now=SystemClock().now())


def _issuer() -> DevelopmentIssuer:
    try:
        return DevelopmentIssuer.load(VAR, ISSUER, AUDIENCE)
    except FileNotFoundError:
        raise FailedError(f"{VAR}/ holds no key of a development issuer; `assistance serve --dev` makes it") from None
    except (OSError, ValueError, TypeError) as error:
        raise FailedError(f"the development issuer's key in {VAR}/ cannot be used: {type(error).__name__}") from None


async def find_token(given: str | None, url: str, scope: str, variables: Mapping[str, str], http: Http) -> Secret:
    """The token for the service at `url`; `send --help` has the order.

    Args:
        given: a token to use as it is.
        url: where the service answers.
        scope: what a token of the development issuer may do.
        variables: the environment.
        http: calls Auth0, and the service for the keys that it publishes.

    Raises:
        FailedError: there is no token to be had.
    """
    if found := given or variables.get("ASSISTANCE_TOKEN"):
        return Secret("the token", found)
    auth0 = all(name in variables for name in _AUTH0)
    issuer = _issuer_here(url)
    if issuer is not None and (not auth0 or await _publishes(url, issuer, http)):
        return Secret("the token", issuer.token(scope, "bot-1@clients", now=SystemClock().now()))
    if auth0:
        return await _auth0_token(variables, http)
    missing = ", ".join(name for name in _AUTH0 if name not in variables)
    raise FailedError(
        f"no token: give --token or set ASSISTANCE_TOKEN; or run `assistance serve --dev` here; or set {missing}"
    )


def _issuer_here(url: str) -> DevelopmentIssuer | None:
    """The development issuer if its key is here and `url` is on this machine."""
    if not is_loopback(urlsplit(url).hostname or ""):
        return None
    try:
        return _issuer()
    except FailedError:
        return None


async def _publishes(url: str, issuer: DevelopmentIssuer, http: Http) -> bool:
    """Whether the service at `url` publishes this issuer's key: only development mode does."""
    try:
        reply = await http.get(f"{url}/.well-known/jwks.json", timeout=5)
        return reply.json() == issuer.jwks()
    except Verdict:
        return False


async def _auth0_token(variables: Mapping[str, str], http: Http) -> Secret:
    """The client-credentials grant: https://auth0.com/docs/api/authentication/client-credentials-flow."""
    domain, audience, client, secret = (variables[name] for name in _AUTH0)
    base = domain if "://" in domain else f"https://{domain}"
    grant = {
        "grant_type": "client_credentials",
        "client_id": client,
        "client_secret": secret,
        "audience": audience,
    }
    try:
        reply = await http.ask("POST", f"{base.rstrip('/')}/oauth/token", json=grant)
        answer = reply.json()
    except Verdict as verdict:
        raise FailedError(f"no token from {base}: {verdict}") from None
    token = answer.get("access_token")
    if reply.status != _OK or not isinstance(token, str):
        raise FailedError(f"no token from {base}: {reply.status} {answer.get('error', '')}")
    return Secret("the token", token)
