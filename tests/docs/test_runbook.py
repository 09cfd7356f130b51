"""The runbook knows what the log warns of."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_WARNING = re.compile(r"""log\.(?:warning|error|critical|exception)\(\s*f?"([a-z_ {}.]+)\"""")


def test_every_warning_is_in_the_runbook():
    """Whoever reads one in the log finds there what it means and what to do."""
    sources = (ROOT / "src" / "assistance").rglob("*.py")
    events = {event for file in sources for event in _WARNING.findall(file.read_text(encoding="utf-8"))}
    runbook = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    assert {event for event in events if f"`{event}`" not in runbook} == set()
    assert len(events) > 25
