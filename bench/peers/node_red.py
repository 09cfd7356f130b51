"""Node-RED: HTTP in -> switch -> HTTP request, the answer given at once."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from load import Call
from processes import child, free_port, listens

from peers import ASK, JSON, Peer, Running
from peers.installing import cache, node_packages

_SETTINGS = """
module.exports = {
  uiHost: "127.0.0.1", flowFile: "flows.json", httpAdminRoot: false, disableEditor: true, credentialSecret: false,
  logging: {console: {level: "error"}}, telemetry: {enabled: false},
};
"""


def _flow(receiver: str) -> list[dict[str, Any]]:
    rule = {"t": "eq", "v": "sales", "vt": "str"}
    return [
        {"id": "tab", "type": "tab", "label": "hand-off"},
        {"id": "in", "z": "tab", "type": "http in", "url": "/assistance", "method": "post", "wires": [["ok", "which"]]},
        {"id": "ok", "z": "tab", "type": "http response", "statusCode": "201", "wires": []},
        {
            "id": "which",
            "z": "tab",
            "type": "switch",
            "property": "payload.topic",
            "propertyType": "msg",
            "rules": [rule],
            "wires": [["out"]],
        },
        {
            "id": "out",
            "z": "tab",
            "type": "http request",
            "method": "POST",
            "url": f"{receiver}chat.postMessage",
            "ret": "txt",
            "paytoqs": "ignore",
            "persist": True,
            "wires": [[]],
        },
    ]


@contextmanager
def _running(receiver: str, folder: Path) -> Iterator[Running]:
    port = free_port()
    (folder / "settings.js").write_text(_SETTINGS)
    (folder / "flows.json").write_text(json.dumps(_flow(receiver)))
    red = cache() / "node-red" / "node_modules" / "node-red" / "red.js"
    command: list[str | Path] = ["node", red, "--userDir", folder, "-s", folder / "settings.js", "-p", str(port)]
    with child(command, folder, lambda: listens(port), env={"HOME": str(folder)}) as pid:
        yield Running(Call(f"http://127.0.0.1:{port}/assistance", ASK, JSON), [pid])


PEER = Peer("node-red", "Node-RED", _running, lambda: node_packages("node-red", "node-red@4"))
