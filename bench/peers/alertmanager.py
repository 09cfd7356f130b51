"""Prometheus Alertmanager, told to send one notification for each alert, at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from load import Call
from processes import answers, child, free_port

from peers import DESCRIPTION, JSON, Peer, Running
from peers.installing import programs

_CONFIG = """
route: {{receiver: slack, group_by: ['...'], group_wait: 0s, group_interval: 5m, repeat_interval: 24h}}
receivers: [{{name: slack, webhook_configs: [{{url: "{receiver}", send_resolved: false}}]}}]
"""
_ALERT = (
    '[{"labels": {"alertname": "sales", "number": "{serial}"}, "annotations": {"description": "' + DESCRIPTION + '"}}]'
)


@contextmanager
def _running(receiver: str, folder: Path) -> Iterator[Running]:
    port = free_port()
    (folder / "alertmanager.yml").write_text(_CONFIG.format(receiver=receiver))
    command = [
        "prometheus-alertmanager",
        "--config.file=alertmanager.yml",
        "--storage.path=data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]
    with child(command, folder, lambda: answers(f"http://127.0.0.1:{port}/-/ready")) as pid:
        # One serial stands in the label, one in the text: the text's is left as it is.
        alert = _ALERT.replace(", number {serial}.", ".")
        yield Running(Call(f"http://127.0.0.1:{port}/api/v2/alerts", alert, JSON), [pid])


PEER = Peer(
    "alertmanager",
    "Alertmanager, one notification per alert",
    _running,
    lambda: programs(prometheus_alertmanager="prometheus-alertmanager"),
)
