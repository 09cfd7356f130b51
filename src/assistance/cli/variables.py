"""The environment and `.env` for commands, which need fewer settings than `serve`."""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from assistance.cli.failure import FailedError
from assistance.routing import Routing, RoutingError, load
from assistance.settings import Settings, SettingsError, known_variables


def read_variables() -> dict[str, str]:
    """The variables of the environment and of `.env`, the environment first, without empty ones. Raises FailedError."""
    try:
        known = known_variables(os.environ, Path(".env"))
    except SettingsError as error:
        raise FailedError(str(error)) from None
    return {name: value for name, value in known.items() if value.strip()}


def routing_file(variables: Mapping[str, str]) -> Path:
    """The path of the routing file."""
    return Path(variables.get("ASSISTANCE_CONFIG", "assistance.yaml"))


def read_routing(variables: Mapping[str, str]) -> Routing:
    """The routing file. Raises FailedError, which names its first problem and how many more there are."""
    try:
        return load(routing_file(variables), variables)
    except RoutingError as error:
        first, *more = error.problems
        rest = f" (and {len(more)} more: assistance check)" if more else ""
        raise FailedError(f"{first}{rest}") from None


def database_url(variables: Mapping[str, str]) -> str:
    """The URL of the store. Raises FailedError for one that cannot be."""
    name = "ASSISTANCE_DATABASE_URL"
    try:
        settings = Settings.model_validate({name: variables[name]} if name in variables else {})
    except ValidationError as error:
        raise FailedError(f"{name}: {error.errors(include_input=False)[0]['msg']}") from None
    return settings.database_url.get_secret_value()
