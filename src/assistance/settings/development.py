"""What development mode sets by itself: known to the service that it runs and to the commands that call it."""

from pathlib import Path
from typing import Final

VAR: Final = Path("var")
"""Where its database and its issuer's key are."""
DATABASE: Final = f"sqlite:///{VAR}/development.db"
"""Not the default of production: what customers were promised there must not be sent to the sandbox."""
ISSUER: Final = "http://localhost/assistance-development"
AUDIENCE: Final = "assistance-development"
