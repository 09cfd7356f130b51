"""Pages that repeat facts of the code agree with the code."""

import subprocess
import sys
from pathlib import Path

from assistance.intake import Ask

DOCS = Path(__file__).parents[2] / "docs"


def test_the_reference_is_up_to_date():
    """`make docs` would change nothing. In another process, where no test has added a channel."""
    script = f"import runpy, sys; sys.stdout.write(runpy.run_path({str(DOCS / 'reference.py')!r})['page']())"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, encoding="utf-8", check=True)
    assert (DOCS / "reference.md").read_text(encoding="utf-8") == told.stdout, "run `make docs`"


def test_bots_are_told_how_late_a_request_may_expire():
    """docs/bots.md has the same maximum as `/openapi.json`."""
    most = Ask.model_json_schema()["properties"]["expires_in"]["anyOf"][0]["maximum"]
    assert f"{most // 86_400} days ({most})" in (DOCS / "bots.md").read_text(encoding="utf-8")
