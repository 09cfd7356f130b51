"""Files that may still break a house rule. A list only gets shorter: what is mended is taken off."""

SMALL = {
    "src/assistance/channels/log.py": "a channel is a file",
    "src/assistance/cli/failure.py": "to be merged",
    "src/assistance/cli/migrating.py": "a command of the program",
    "src/assistance/cli/serving.py": "a command of the program",
    "src/assistance/dispatch/report.py": "to be merged",
    "src/assistance/outgoing/redaction.py": "to be merged",
    "src/assistance/routing/moment.py": "to be merged",
    "src/assistance/security/hooks.py": "one signature, which several fronts will check",
    "src/assistance/settings/development.py": "to be merged",
    "src/assistance/watch/dead_man.py": "to be merged",
}
"""Modules of fewer than 30 lines, and why."""

WORDS = {
    "src/assistance/api/ask.py",
    "src/assistance/api/events.py",
    "src/assistance/api/openapi/fields.py",
    "src/assistance/cli/deliveries.py",
    "src/assistance/cli/demo/demo.py",
    "src/assistance/cli/main.py",
    "src/assistance/dispatch/lane.py",
    "src/assistance/dispatch/outcome.py",
    "src/assistance/dispatch/recording.py",
    "src/assistance/outgoing/http.py",
    "src/assistance/server/envelope.py",
    "src/assistance/telemetry/logs.py",
}
"""Modules with a function called tell, told, settle or hold."""

EMPTY_DOCSTRINGS = {
    "src/assistance/access/limits.py",
    "src/assistance/api/shortcut.py",
    "src/assistance/model/verdict.py",
    "src/assistance/security/tokens/principal.py",
    "src/assistance/server/body.py",
    "src/assistance/server/envelope.py",
    "src/assistance/server/gate.py",
    "src/assistance/server/gathering.py",
    "src/assistance/server/problems.py",
    "src/assistance/server/protocol.py",
    "src/assistance/server/server.py",
    "src/assistance/server/spans.py",
    "src/assistance/telemetry/logs.py",
    "src/assistance/telemetry/metrics.py",
    "src/assistance/telemetry/traces.py",
    "src/assistance/telemetry/writer.py",
    "src/assistance/watch/auditor.py",
}
"""Modules with a docstring that only says "See the class."."""

STORE_INSIDES: set[str] = set()
"""Tests that use what is private to the store."""
