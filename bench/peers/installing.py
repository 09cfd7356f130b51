"""Packages that only the peers need: into a folder of the user's cache, never into the project."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_SECONDS = 300


def cache() -> Path:
    """The folder; it stays for the next time."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "assistance-bench"


def python_packages(name: str, *requirements: str) -> str | None:
    """Install with pip for `PYTHONPATH=cache()/name`; None when they are there, else why not."""
    target = cache() / name
    return _once(
        target,
        [sys.executable, "-m", "pip", "install", "-q", "--only-binary", ":all:", "--target", target],
        requirements,
    )


def node_packages(name: str, *requirements: str) -> str | None:
    """Install with npm below `cache()/name/node_modules`; None when they are there, else why not."""
    if not (shutil.which("npm") and shutil.which("node")):
        return "npm is not installed (Debian: apt install npm)"
    target = cache() / name
    return _once(
        target, ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", target], requirements
    )


def programs(**packages: str) -> str | None:
    """None when each program is on the path, else what to install (its Debian package)."""
    lacking = [package for program, package in packages.items() if not shutil.which(program.replace("_", "-"))]
    return f"apt install {' '.join(lacking)}" if lacking else None


def _once(target: Path, command: Sequence[str | Path], requirements: Sequence[str]) -> str | None:
    done = target / ".installed"
    if done.exists() and done.read_text() == " ".join(requirements):
        return None
    target.mkdir(parents=True, exist_ok=True)
    print(f"Installing {' '.join(requirements)} for the comparison (once)", flush=True)
    try:
        made = subprocess.run([*command, *requirements], check=False, capture_output=True, text=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        return f"installing {requirements[0]} took too long"
    if made.returncode:
        return f"{requirements[0]} cannot be installed: {' '.join(made.stderr.strip().splitlines()[-1:])}"
    done.write_text(" ".join(requirements))
    return None
