"""`assistance serve`."""

import os

import uvloop

from assistance.app import RefusedError, Role, serve
from assistance.cli.failure import FailedError
from assistance.outgoing import is_loopback
from assistance.settings import SettingsError
from assistance.settings.development import check_installed


def serve_until_told(*, dev: bool, host: str, port: int, role: str) -> int:
    """Run the service until a signal; its exit code.

    Raises:
        FailedError: it does not start.
    """
    if dev and not is_loopback(host):
        raise FailedError(f"development mode listens on this machine only: --host {host} is not a loopback address")
    try:
        if dev:
            check_installed()
        return uvloop.run(serve(os.environ, dev=dev, host=host, port=port, role=Role(role)))
    except (RefusedError, SettingsError) as error:
        raise FailedError(str(error)) from None
