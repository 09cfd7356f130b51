"""The channel of CONTRIBUTING.md, made a file of the channels' folder as a newcomer would."""

import re
import tempfile
from pathlib import Path

import assistance.channels

_PAGE = Path(__file__).parents[2] / "CONTRIBUTING.md"


def add_ntfy() -> None:
    """Let the registry find `ntfy.py`, which is the page's block of Python and nothing else."""
    (block,) = re.findall(r"```python\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)
    folder = Path(tempfile.mkdtemp(prefix="channels-"))
    (folder / "ntfy.py").write_text(block, encoding="utf-8")
    assistance.channels.__path__.append(str(folder))
