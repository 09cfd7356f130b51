"""The README's promises: its shell blocks run, its example is a good file, its pages exist."""

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, Development

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
HERE = "http://127.0.0.1:8000"
ASKS_A_SERVICE = re.compile(r"assistance (send|channels(?: test)?)\b")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_every_make_target_exists() -> None:
    """What the README makes, the Makefile knows."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)\b", "\n".join([*blocks("sh"), *re.findall(r"`(make [a-z]+)`", README)])))
    assert {"run", "test", "demo"} <= named <= targets


async def test_the_example_is_a_good_routing_file(cli: Cli, place: Path) -> None:
    """The README's routing file passes `check`, its own test included."""
    (place / "readme.yaml").write_text(blocks("yaml")[0])
    ran = await cli("check", "readme.yaml")
    assert ran.code == 0
    assert "readme.yaml is fine: 2 topics, 2 channels, 1 test" in ran.out


@pytest.mark.parametrize("block", [block for block in blocks("sh") if not block.startswith("make")])
async def test_every_shell_block_runs(development: Development, place: Path, block: str) -> None:
    """Each block that is marked `sh`, pasted beside a running service, ends with 0 and no complaint."""
    if "curl" in block and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    (place / ".venv" / "bin").mkdir(parents=True)
    program = place / ".venv" / "bin" / "assistance"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m assistance "$@"\n')
    program.chmod(0o755)
    script = ASKS_A_SERVICE.sub(rf"assistance \1 --url {development.url}", block.replace(HERE, development.url))
    process = await asyncio.create_subprocess_exec(
        *("sh", "-eu"),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(script.encode())
    assert (process.returncode, err.decode()) == (0, "")
    assert "/problems/" not in out.decode()
