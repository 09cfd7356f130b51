"""The pages name commands that exist, spelled as they are; what each does is tested where it lives."""

import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from assistance.cli.commands import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
_SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_END = {"|", "&&", "||", ";", ">", "<", "&"}


def commands(program: str) -> list[tuple[str, str]]:
    """Page and arguments of each call of the program, in blocks and within lines."""
    found = set()
    for page, text in TEXTS.items():
        lines = [line for block in _SHELL.findall(text) for line in block.replace("\\\n", " ").splitlines()]
        for line in [*lines, *_INLINE.findall(text)]:
            if match := re.match(rf"\s*(?:\.venv/bin/)?{program}(?= |$)(.*)", line):
                found.add((page, match[1].strip()))
    return sorted(found)


def words(arguments: str) -> list[str]:
    lexer = shlex.shlex(arguments, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, "#"
    every = list(lexer)
    return every[: next((place for place, word in enumerate(every) if word in _END), len(every))]


@pytest.mark.parametrize(("page", "arguments"), commands("assistance"))
def test_the_command_line_understands_what_the_page_says(page: str, arguments: str):
    """Commands and options exist, and what is required is given, but where a command is only named; nothing is run."""
    command, left, context = typer.main.get_command(app), words(arguments), None
    while isinstance(command, TyperGroup) and left and not left[0].startswith("-"):
        context = command.make_context(command.name, [], parent=context, resilient_parsing=True)
        _, found, left = command.resolve_command(context, left)
        assert found is not None
        command = found
    if left and left != ["--help"]:
        command.make_context(command.name, left, parent=context)


@pytest.mark.parametrize("arguments", ["explan", "send --topik sales", "send --topic sales", "channels tets NAME"])
def test_a_misspelt_command_would_be_found(arguments: str):
    """By the test above."""
    with pytest.raises((AssertionError, typer.TyperException)):
        test_the_command_line_understands_what_the_page_says("a page", arguments)


@pytest.mark.parametrize(("page", "arguments"), commands("make"))
def test_make_has_the_targets_that_the_page_names(page: str, arguments: str):
    """Each is in the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {word for word in words(arguments) if "=" not in word} <= targets


def test_the_commands_of_the_original_demo_have_their_counterparts():
    """One line each on the page about upgrading, and each has its command."""
    rows = dict(re.findall(r"^\| `([^`]+)` \| `([^`]+)`", TEXTS["docs/upgrading.md"], re.MULTILINE))
    assert {"poe dev", "poe start", "poe test", "test_service.sh"} <= rows.keys()
