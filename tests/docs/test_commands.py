"""The pages name commands that exist, with their options; test_running.py runs them."""

import re
import shlex

import pytest
import typer
from tests.docs.pages import ROOT, SCRIPTS, TEXTS, named
from typer.core import TyperGroup

from assistance.cli.commands import app

_END = {"|", "&&", "||", ";", ">", "<", "&"}


def commands(program: str) -> list[tuple[str, str]]:
    """Page and arguments of each call of the program, in blocks and within lines."""
    calls = {(script.page, named(line)) for script in SCRIPTS for line in script.lines}
    return sorted((page, call.removeprefix(program).strip()) for page, call in calls if call.startswith(f"{program} "))


def words(arguments: str) -> list[str]:
    lexer = shlex.shlex(arguments, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, "#"
    every = list(lexer)
    return every[: next((place for place, word in enumerate(every) if word in _END), len(every))]


@pytest.mark.parametrize(("page", "arguments"), commands("assistance"))
def test_the_command_line_understands_what_the_page_says(page: str, arguments: str):
    """Commands and options exist, and required options are given unless a command is only named; nothing is run."""
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
    """The test above finds it."""
    with pytest.raises((AssertionError, typer.TyperException)):
        test_the_command_line_understands_what_the_page_says("a page", arguments)


@pytest.mark.parametrize(("page", "arguments"), commands("make"))
def test_make_has_the_targets_that_the_page_names(page: str, arguments: str):
    """Each target on a page is in the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {word for word in words(arguments) if "=" not in word} <= targets


def test_the_commands_of_the_original_demo_have_their_counterparts():
    """Each has one line on the page about upgrading, with its command."""
    rows = dict(re.findall(r"^\| `([^`]+)` \| `([^`]+)`", TEXTS["docs/upgrading.md"], re.MULTILINE))
    assert {"poe dev", "poe start", "poe test", "test_service.sh"} <= rows.keys()
