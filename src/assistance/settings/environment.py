"""The service's settings, from the environment and `.env`; all are checked before anything starts."""

import re
from collections.abc import Mapping
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from assistance.settings.development import AUDIENCE, DATABASE, ISSUER

_PREFIX = "ASSISTANCE_"
_ASYMMETRIC = frozenset(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"])
_REQUIRED = {
    "ASSISTANCE_OIDC_ISSUER": "ASSISTANCE_OIDC_ISSUER (or AUTH0_ISSUER, or AUTH0_DOMAIN) is not set",
    "ASSISTANCE_OIDC_AUDIENCE": "ASSISTANCE_OIDC_AUDIENCE (or AUTH0_API_AUDIENCE) is not set",
    "ASSISTANCE_SECRET_KEY": "ASSISTANCE_SECRET_KEY is not set",
}
_DEVELOPMENT = {
    "ASSISTANCE_DATABASE_URL": DATABASE,
    "ASSISTANCE_OIDC_ISSUER": ISSUER,
    "ASSISTANCE_OIDC_AUDIENCE": AUDIENCE,
}


class SettingsError(Exception):
    """The settings do not allow a start; the text is one line that names all that is missing or wrong, no values."""


def _words(value: object) -> object:
    return tuple(filter(None, (word.strip() for word in value.split(",")))) if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError("must be an http or https URL")
    if parts.query or parts.fragment:
        raise ValueError("must be a URL without query or fragment")
    return value


def _issuer(value: str) -> str:
    if urlsplit(_web_address(value)).scheme == "http" and not _is_loopback(urlsplit(value).hostname):
        raise ValueError("must be https, or http on loopback")
    return value


def _key_source(value: str) -> str:
    return value if urlsplit(value).scheme == "file" else _issuer(value)


def _ping(value: SecretStr) -> SecretStr:
    parts = urlsplit(value.get_secret_value())
    safe = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname))
    if not (safe and parts.hostname):
        raise ValueError("must be an https URL, or http on loopback")
    return value


def _algorithms(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value or not _ASYMMETRIC.issuperset(value):
        raise ValueError(f"must name asymmetric algorithms only: {', '.join(sorted(_ASYMMETRIC))}")
    return value


def _database(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    if url.startswith("sqlite:///"):
        if url.removeprefix("sqlite:///") in ("", ":memory:"):
            raise ValueError("must name a file: sqlite:///var/assistance.db")
    elif url.startswith(("postgresql://", "postgres://")):
        import psycopg.conninfo  # noqa: PLC0415 - a tenth of a second, for PostgreSQL only

        try:
            psycopg.conninfo.conninfo_to_dict(url)
        except psycopg.Error:
            raise ValueError("must be a libpq URI: postgresql://user:password@host/db") from None
    else:
        raise ValueError("must begin with sqlite:/// or postgresql://")
    return value


def _rate(value: object) -> object:
    if value == "off":
        return None
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)/s", value) if isinstance(value, str) else None
    if match is None or float(match[1]) == 0:
        raise ValueError("must be a number above zero per second, like 100/s, or off")
    return float(match[1])


def _networks(value: object) -> object:
    try:
        return tuple(ip_network(word, strict=False) for word in _words(value))  # type: ignore[attr-defined]
    except ValueError:
        raise ValueError("must be addresses or networks, like 10.0.0.0/8, ::1") from None


Rate = Annotated[float | None, BeforeValidator(_rate)]
"""Requests per second, written `100/s`; None, written `off`, for no limit."""


class Settings(BaseModel):
    """The settings; in the environment each is `ASSISTANCE_` and its name in capitals. No `repr` shows a secret.

    In development mode the issuer, the audience and the database are its own, and there are no secret keys.
    """

    model_config = ConfigDict(
        alias_generator=lambda name: _PREFIX + name.upper(),
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        validate_default=True,
    )

    config: Path = Path("assistance.yaml")
    """The routing file."""
    database_url: Annotated[SecretStr, AfterValidator(_database)] = SecretStr("sqlite:///var/assistance.db")
    """`sqlite:///relative/path`, `sqlite:////absolute/path` or any libpq URI."""
    oidc_issuer: Annotated[str, AfterValidator(lambda value: value and _issuer(value))] = ""
    """Exactly as in the token's `iss`."""
    oidc_audience: str = ""
    oidc_jwks_url: Annotated[str, AfterValidator(_key_source)] | None = None
    """None: it is in the issuer's discovery document."""
    oidc_algorithms: Annotated[tuple[str, ...], BeforeValidator(_words), AfterValidator(_algorithms)] = ("RS256",)
    public_url: Annotated[str, AfterValidator(_web_address), AfterValidator(lambda value: value.rstrip("/"))] = (
        "http://127.0.0.1:8000"
    )
    """Without the slash at the end."""
    secret_key: Annotated[tuple[SecretStr, ...], BeforeValidator(_words)] = ()
    """More than one means rotation: the first signs, all are valid."""
    log_format: Annotated[Literal["json", "console"] | None, BeforeValidator(_lower)] = None
    """None: `console` on a terminal, else `json`."""
    log_level: Annotated[Literal["debug", "info", "warning", "error", "critical"], BeforeValidator(_lower)] = "info"
    rate_limit: Rate = Field(default="off")  # type: ignore[assignment]
    """Requests per second of one client."""
    rate_limit_unauthenticated: Rate = Field(default="100/s")  # type: ignore[assignment]
    """Requests per second without a valid token from one IP address."""
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_networks)] = ()
    """Proxies whose `X-Forwarded-For` is trusted."""
    max_concurrency: Annotated[int, Field(ge=1)] = 1000
    """Concurrent requests in this process."""

    dead_man_url: Annotated[SecretStr, AfterValidator(_ping)] | None = None
    """A cron monitor's URL, requested every minute while all is well."""

    environ: Mapping[str, str] = Field(default_factory=dict, alias="environ", repr=False, exclude=True)
    """Environment and `.env`: where `env:NAME` and the standard `OTEL_*` names are looked up."""


def load_settings(environ: Mapping[str, str], dotenv_path: Path | None, *, dev: bool) -> Settings:
    """Read the settings once, at the start.

    Args:
        environ: the process's environment; a variable that is empty (or a list of nothing) counts as not set.
        dotenv_path: a file of further variables, which need not exist; the environment takes precedence.
        dev: development mode: neither `.env` nor production's database, issuer and audience are read.

    Raises:
        SettingsError: with everything that is missing or wrong in one line.
    """
    known = known_variables(environ, None if dev else dotenv_path)
    values = {name: value for name, value in known.items() if value.strip(" ,")}
    if dev:
        values = {name: value for name, value in values.items() if not _is_production(name)} | _DEVELOPMENT
    else:
        values = {**_original_names(values), **values}
    wrong = [] if dev else [text for name, text in _REQUIRED.items() if name not in values]
    try:
        settings = Settings.model_validate({**values, "environ": known})
    except ValidationError as error:
        wrong += [_sentence(problem) for problem in error.errors(include_url=False, include_input=False)]
    else:
        if not wrong:
            return settings
    raise SettingsError("; ".join(wrong))


def check_installed() -> None:
    """Raises SettingsError where the mail server of development mode is not installed."""
    if find_spec("aiosmtpd") is None:
        raise SettingsError("development mode needs its mail server: pip install 'assistance-api[sandbox]'")


def known_variables(environ: Mapping[str, str], dotenv_path: Path | None) -> dict[str, str]:
    """The variables of the environment and of `.env`; the environment takes precedence.

    Raises:
        SettingsError: `.env` is not UTF-8 text.
    """
    return {**_dotenv(dotenv_path), **environ}


def _dotenv(path: Path | None) -> dict[str, str]:
    if path is None or not path.is_file():
        return {}
    try:
        # No interpolation: a `$` in a password is a dollar sign.
        return {name: value for name, value in dotenv_values(path, interpolate=False).items() if value is not None}
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{path} cannot be read as UTF-8 text") from None


def _is_production(name: str) -> bool:
    # The dead man's switch too: pings of development mode would hide that production is down.
    return name in {f"{_PREFIX}DATABASE_URL", f"{_PREFIX}DEAD_MAN_URL"} or name.startswith(f"{_PREFIX}OIDC_")


def _original_names(values: Mapping[str, str]) -> dict[str, str]:
    """The settings that are given by Auth0's names, as in the original service."""
    issuer = values.get("AUTH0_ISSUER") or (f"https://{values['AUTH0_DOMAIN']}/" if "AUTH0_DOMAIN" in values else None)
    given = {
        "ASSISTANCE_OIDC_ISSUER": issuer,
        "ASSISTANCE_OIDC_AUDIENCE": values.get("AUTH0_API_AUDIENCE"),
        "ASSISTANCE_OIDC_ALGORITHMS": values.get("AUTH0_ALGORITHMS"),
    }
    return {name: value for name, value in given.items() if value}


def _sentence(problem: Mapping[str, Any]) -> str:
    text = str(problem["msg"]).removeprefix("Value error, ")
    return f"{problem['loc'][0]}: {text[0].lower()}{text[1:]}"
