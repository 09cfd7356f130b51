"""The reference page is what the code says."""

import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_reference_is_up_to_date():
    """`make docs` would change nothing. In a process of its own, to which no test has added a channel."""
    script = f"import runpy, sys; sys.stdout.write(runpy.run_path({str(DOCS / 'reference.py')!r})['page']())"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, encoding="utf-8", check=True)
    assert (DOCS / "reference.md").read_text(encoding="utf-8") == told.stdout, "run `make docs`"
