"""The runbook explains what the log warns of."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_WARNING = re.compile(r"""log\.(?:warning|error|critical|exception)\(\s*f?"([a-z_ {}.]+)\"""")


def test_every_warning_is_in_the_runbook():
    """Each event that is logged as a warning or worse is in docs/runbook.md."""
    sources = (ROOT / "src" / "assistance").rglob("*.py")
    events = {event for file in sources for event in _WARNING.findall(file.read_text(encoding="utf-8"))}
    runbook = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    assert {event for event in events if f"`{event}`" not in runbook} == set()
    assert len(events) > 25
