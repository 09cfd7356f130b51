"""Development mode reaches no real provider: each channel is redirected to the sandbox, or refused."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from assistance.channels import UnknownTypeError, channel_class
from assistance.outgoing import is_loopback
from assistance.settings import Secret

SLACK_TOKEN = "ASSISTANCE_SANDBOX_SLACK_TOKEN"  # noqa: S105 - the name of a variable
SMTP_URL = "ASSISTANCE_SANDBOX_SMTP_URL"


def on_loopback(url: str) -> bool:
    """Whether the URL's host is `localhost` or a loopback address; anything that cannot be read is not."""
    try:
        return "\\" not in url and is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False


def redirected_slack(raw: Mapping[str, Any], api_url: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """The settings with the sandbox's `api_url` unless theirs is on loopback, and its token for secrets not set."""
    settings = dict(raw)
    elsewhere = not on_loopback(str(raw.get("api_url", "")))
    if elsewhere:
        settings["api_url"] = api_url
    for name, value in raw.items():
        secret = _secret(value, environ)
        # Leak: a token must not be sent to another server than its own.
        if secret is not None and (secret.missing or (elsewhere and name == "token")):
            settings[name] = f"env:{SLACK_TOKEN}"
    return settings


def redirected_email(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with the sandbox's mail server, always: a server on loopback may be production's own relay."""
    return dict(raw) if _secret(raw.get("smtp"), {}) is None else {**raw, "smtp": f"env:{SMTP_URL}"}


def confined(type_: str, raw: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """The settings as they are, when every address among them or their defaults is on loopback.

    Raises:
        ValueError: one is not; names the setting, never its value.
    """
    for name, value in {**_defaults(type_), **raw}.items():
        for text in _texts(value):
            secret = _secret(text, environ)
            address = text if secret is None else "" if secret.missing else secret.reveal()
            if "://" in address and not on_loopback(address):
                raise ValueError(
                    f"development mode reaches no real provider: `{name}` of a `{type_}` channel must be a loopback "
                    "address here, such as http://127.0.0.1:8080/"
                )
    return dict(raw)


def _secret(value: object, environ: Mapping[str, str]) -> Secret | None:
    """The secret that `value` refers to; None when it is no reference, which validation judges later."""
    try:
        return Secret.find(value, environ) if isinstance(value, str) else None
    except ValueError:
        return None


def _defaults(type_: str) -> dict[str, Any]:
    try:
        fields = channel_class(type_).model_fields
    except UnknownTypeError:
        return {}
    return {field.alias or name: field.default for name, field in fields.items() if not field.is_required()}


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
    elif value is not None:
        yield str(value)
