"""What development mode sets by itself: known to the service that it runs and to the commands that talk to it."""

from pathlib import Path
from typing import Final

VAR: Final = Path("var")
"""Where its database and its issuer's key are."""
DATABASE: Final = f"sqlite:///{VAR}/development.db"
"""Never the default of production: in a folder of both, what customers were promised would end in the sandbox."""
ISSUER: Final = "http://localhost/assistance-development"
AUDIENCE: Final = "assistance-development"
