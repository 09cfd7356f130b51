"""What CONTRIBUTING.md tells people to write is right."""

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path

import yaml
from tests.channels.page import channels_section, files_of_the_page
from tests.docs import take_over

import assistance.channels
from assistance.routing import load

ROOT = Path(__file__).parents[2]


def test_the_topic_of_the_page_is_a_good_addition_to_the_starter_file(tmp_path: Path):
    """The page's block, merged into the routing file we ship, passes every check and its own tests."""
    (block,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)
    added = yaml.safe_load(block)
    file = yaml.safe_load((ROOT / "assistance.yaml").read_text(encoding="utf-8"))
    file["topics"] |= added["topics"]
    file["tests"] = [*file.get("tests", []), *({**test, "at": str(test["at"])} for test in added["tests"])]
    path = tmp_path / "assistance.yaml"
    path.write_text(yaml.safe_dump(file), encoding="utf-8")
    routing = load(path, {"SLACK_TOKEN": "xoxb-1", "SMTP_URL": "smtps://mail.example.com"})
    assert "returns" in routing.topics
    assert routing.warnings == ()


def test_the_page_has_a_channel_as_a_file_and_one_as_a_folder():
    """Both go through the contract of all channels: `tests/channels/test_contract.py` builds them from the page."""
    assert set(files_of_the_page()) == {"ntfy.py", "gotify/__init__.py", "gotify/payload.py"}


def test_the_page_names_all_that_a_channel_can():
    """Each protocol with its method."""
    section = channels_section()
    protocols = [getattr(assistance.channels, name) for name in assistance.channels.__all__ if name.startswith("Can")]
    for protocol in protocols:
        (method,) = (name for name in vars(protocol) if not name.startswith("_"))
        assert f"`{protocol.__name__}` (`{method}`" in section


async def test_the_desk_move_of_the_page_works_in_a_copy_of_the_package(tmp_path: Path):
    """The page's patch touches five files at most, applies as it is, and is driven over HTTP in another process."""
    (patch,) = re.findall(r"```diff\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(re.findall(r"^\+\+\+ ", patch, re.MULTILINE)) <= 5
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    apart = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}
    await run("git", "apply", "-", cwd=tmp_path, env=apart, sent=patch.encode())
    paths = os.pathsep.join([str(tmp_path / "src"), str(ROOT)])
    await run(sys.executable, "-m", take_over.__name__, str(tmp_path), cwd=tmp_path, env={**apart, "PYTHONPATH": paths})


async def run(*command: str, cwd: Path, env: dict[str, str], sent: bytes = b"") -> None:
    """Run it to its end, which must be a good one."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, env=env, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate(sent)
    assert process.returncode == 0, said.decode()
