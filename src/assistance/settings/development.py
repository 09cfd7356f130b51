"""What development mode sets by itself: known to the service that it runs and to the commands that talk to it."""

from pathlib import Path
from typing import Final

VAR: Final = Path("var")
"""Where its database and its issuer's key are."""
ISSUER: Final = "http://localhost/assistance-development"
AUDIENCE: Final = "assistance-development"
