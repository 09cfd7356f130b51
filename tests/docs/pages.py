"""The commands of the pages: every line of a shell block, and every command within a line of text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in sorted(PAGES)}
SHELLS = {"sh", "bash"}
LANGUAGES = {*SHELLS, "", "diff", "http", "ini", "json", "python", "text", "yaml"}
PROGRAMS = (
    r"assistance|chronyc|cp|curl|deploy/[\w/]+|docker|helm|kubectl|litestream|make|mkdir|openssl|pg_\w+|pip|poe|promtool"
    r"|psql|pytest|python3?|sudo|terraform|uv"
)
"""First words of commands within a line; such a word alone is only a name."""
ALONE = r"timedatectl|test_service\.sh"
"""Commands without arguments."""

FENCE = re.compile(r"^ *```(\w*)[^\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_NO_TEXT = re.compile(rf"{FENCE.pattern}|^#[^\n]*$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^## (.*)$", re.MULTILINE)
_INLINE = re.compile(rf"(?<!`)`((?:\.venv/bin/)?(?:{PROGRAMS}) [^`\n]+|{ALONE})`(?!`)")
_COMMENT = re.compile(r"\s+# .*$")
_HERE = re.compile(r"(?<![\w/])\.venv/bin/")


@dataclass(frozen=True)
class Script:
    """Commands that belong together: those of a block, or the one within a line; `place` is `page#heading`."""

    place: str
    lines: tuple[str, ...]
    fenced: bool

    @property
    def page(self) -> str:
        return self.place.partition("#")[0]


def _lines(block: str) -> tuple[str, ...]:
    whole = block.replace("\\\n", " ").splitlines()
    return tuple(line.strip() for line in whole if line.strip() and not line.lstrip().startswith("#"))


def named(command: str) -> str:
    """A command without what varies between spellings: the program's folder, a comment, blanks."""
    return re.sub(r"\s+", " ", _HERE.sub("", _COMMENT.sub("", command))).strip()


def _scripts(page: str, text: str) -> Iterator[tuple[int, Script]]:
    """Each script of a page, with its position."""

    def place(at: int) -> str:
        before = _HEADING.findall(text, 0, at)
        return f"{page}#{before[-1]}" if before else page

    for found in FENCE.finditer(text):
        if found[1] in SHELLS:
            yield found.start(), Script(place(found.start()), _lines(found[2]), fenced=True)
    # What is not text is replaced by blanks, so that positions stay.
    for found in _INLINE.finditer(_NO_TEXT.sub(lambda block: " " * len(block[0]), text)):
        yield found.start(), Script(place(found.start()), (found[1],), fenced=False)


SCRIPTS = [
    script for page, text in TEXTS.items() for _, script in sorted(_scripts(page, text), key=lambda each: each[0])
]
"""In the order of the pages."""


def everywhere() -> set[str]:
    """Every command, each once."""
    return {named(line) for script in SCRIPTS for line in script.lines}
