"""Writes reference.md from the code: the routing file, the channels and the commands (`make docs`)."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from assistance.channels import channel_class, channel_types
from assistance.routing.file.schema import Callback, FileEntry, RouteTest, StepEntry, TopicEntry

PAGE = Path(__file__).with_name("reference.md")
COMMANDS = [
    "serve",
    "check",
    "explain",
    "send",
    "token",
    "migrate",
    "doctor",
    "channels",
    "deliveries",
    "replay",
    "demo",
]

HEAD = """\
# Reference

Written by `make docs` from the code; a test fails when both differ. The settings of the service are in
[.env.example](../.env.example), the HTTP API is at `/docs` and `/openapi.json` of the service; what errors mean is in
[problems.md](problems.md).

A duration is a number and a unit: `30s`, `5m`, `72h`, `7d`. A pace is a number per unit: `1/s`, `20/m`. A secret is a
reference, `env:NAME` or `file:PATH`, never the value.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_routing_file(), *_channels(), *_commands()])


def _routing_file() -> Iterator[str]:
    yield "## The routing file\n"
    for title, entry in (
        ("The outermost keys", FileEntry),
        ("A topic", TopicEntry),
        ("A step", StepEntry),
        ("A callback", Callback),
        ("A test", RouteTest),
    ):
        yield f"### {title}\n"
        yield from _table(entry)


def _channels() -> Iterator[str]:
    yield "## Channels\n"
    for name in channel_types():
        channel = channel_class(name)
        yield f"### `type: {name}`\n"
        yield f"{(channel.__doc__ or '').strip().splitlines()[0]}\n"
        yield from _table(channel)


def _table(model: type[BaseModel]) -> Iterator[str]:
    yield "| key | default | |\n|---|---|---|"
    for name, field in model.model_fields.items():
        yield f"| `{field.alias or name}` | {_default(field)} | {field.description or ''} |"
    yield ""


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if field.default is None or field.default == "":
        return ""
    if isinstance(field.default, list | dict):
        return ", ".join(f"`{item}`" for item in field.default)
    return f"`{field.default}`"


def _commands() -> Iterator[str]:
    yield "## Commands\n"
    for command in COMMANDS:
        told = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "assistance", command, "--help"],
            check=False,
            capture_output=True,
            text=True,
            env={"COLUMNS": "100", "NO_COLOR": "1", "PATH": "/usr/bin:/bin"},
        )
        if told.returncode == 0:
            yield f"### `assistance {command}`\n\n```text\n{told.stdout.strip()}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
