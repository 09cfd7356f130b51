"""The OpenTelemetry variables, read from the settings instead of the process."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping

from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource

from assistance.settings import SettingsError

SERVICE = "assistance"


def exporters(environ: Mapping[str, str], signal: str) -> frozenset[str]:
    """Where `TRACES`, `METRICS` or `LOGS` go: any of `otlp` and `console`, or nowhere.

    As the specification's variables say, except that nothing is exported by default: only with an endpoint or an
    exporter set (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).

    Raises:
        SettingsError: an exporter or a protocol is asked for that is not built in.
    """
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return frozenset()
    asked = environ.get(f"OTEL_{signal}_EXPORTER")
    endpoint = environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    chosen = {name.strip() for name in (asked or ("otlp" if endpoint else "none")).split(",")}
    # `/metrics` is served in any case, and logs are on the console already.
    chosen -= {"none", "prometheus" if signal == "METRICS" else ""}
    if not chosen <= {"otlp", "console"}:
        raise SettingsError(f"OTEL_{signal}_EXPORTER: must be otlp, console or none")
    protocol = environ.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL") or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if "otlp" in chosen and protocol not in (None, "", "http/protobuf"):
        raise SettingsError("OTEL_EXPORTER_OTLP_PROTOCOL: must be http/protobuf")
    return frozenset(chosen)


def resource(environ: Mapping[str, str], service_version: str) -> Resource:
    """Who reports: this service and its version, unless the environment names it otherwise."""
    named = "OTEL_SERVICE_NAME" in environ or f"{SERVICE_NAME}=" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    with sdk_environment(environ):
        return Resource.create({SERVICE_VERSION: service_version} | ({} if named else {SERVICE_NAME: SERVICE}))


@contextlib.contextmanager
def sdk_environment(environ: Mapping[str, str]) -> Iterator[None]:
    """Put the settings' `OTEL_*` variables into the process's environment while the SDK's parts are built.

    The SDK reads its many variables from there and nowhere else; it does not know `.env`.

    Raises:
        SettingsError: the SDK refuses what they say.
    """
    added = {name: value for name, value in environ.items() if name.startswith("OTEL_") and name not in os.environ}
    os.environ.update(added)
    try:
        yield
    except ValueError as error:
        raise SettingsError(f"OTEL_*: {error}") from None
    finally:
        for name in added:
            del os.environ[name]


def within(timeout: float, work: Callable[[], object]) -> None:
    """Run `work`, which blocks, and wait `timeout` seconds at most: a collector that hangs does not delay the exit."""
    thread = threading.Thread(target=work, name="telemetry-shutdown", daemon=True)
    thread.start()
    thread.join(timeout)
