"""What development mode sets by itself: known to the service that it runs and to the commands that talk to it."""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from assistance.settings.environment import SettingsError

VAR: Final = Path("var")
"""Where its database and its issuer's key are."""
DATABASE: Final = f"sqlite:///{VAR}/development.db"
"""Never the default of production: in a folder of both, what customers were promised would end in the sandbox."""
ISSUER: Final = "http://localhost/assistance-development"
AUDIENCE: Final = "assistance-development"


def check_installed() -> None:
    """Raises SettingsError where the mail server of the sandbox is not installed."""
    if find_spec("aiosmtpd") is None:
        raise SettingsError("development mode needs its mail server: pip install 'assistance-api[sandbox]'")
