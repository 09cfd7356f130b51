"""What a library adds to the start: the time of a Python that imports it and ends (about 15 s)."""

import subprocess
import sys
import time
from functools import partial

from rounds import compare

CANDIDATES = {
    "nothing": "",
    "argparse": "argparse",
    "click": "click",
    "typer": "typer",
    "pydantic": "pydantic",
    "pydantic, dotenv": "pydantic, dotenv",
    "pydantic_settings": "pydantic_settings",
    "fastapi": "fastapi",
}


def milliseconds(modules: str) -> float:
    """Start Python, import, end."""
    command = [sys.executable, "-c", f"import {modules}" if modules else ""]
    start = time.perf_counter()
    subprocess.run(command, check=True)
    return (time.perf_counter() - start) * 1000


def main() -> None:
    """Let them take turns."""
    compare({name: partial(milliseconds, modules) for name, modules in CANDIDATES.items()}, rounds=9, unit="ms")


if __name__ == "__main__":
    main()
