"""The channels of CONTRIBUTING.md, written into files as a newcomer would write them."""

import re
import tempfile
from pathlib import Path

import assistance.channels

_PAGE = Path(__file__).parents[2] / "CONTRIBUTING.md"


def channels_section() -> str:
    """The section of the page on channels."""
    return _PAGE.read_text(encoding="utf-8").partition("## How to add a channel\n")[2].partition("\n## ")[0]


def files_of_the_page() -> dict[str, str]:
    """Each file of that section: its name, and its block of Python."""
    blocks = re.findall(r"his is all of `([a-z_/]+\.py)`:\n\n```python\n(.*?)```", channels_section(), re.DOTALL)
    return dict(blocks)


def add_channels_of_the_page() -> None:
    """Let the registry find `ntfy.py` and `gotify/`: the text of the page and nothing else."""
    folder = Path(tempfile.mkdtemp(prefix="channels-"))
    for name, text in files_of_the_page().items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assistance.channels.__path__.append(str(folder))
