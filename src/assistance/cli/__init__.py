"""The command line: `assistance`, and `python -m assistance`."""

from assistance.cli.failure import FailedError
from assistance.cli.main import main, run

__all__ = ["FailedError", "main", "run"]
