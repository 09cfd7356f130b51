"""The README's promises: its example is a good file, its targets exist; its commands are run by `tests/docs`."""

import re
from pathlib import Path

from tests.cli.conftest import Cli

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


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
