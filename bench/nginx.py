"""The receiving end of everybody: one nginx that answers as Slack does and notes when each message arrived."""

import shutil
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Self

from processes import child, free_port, listens

_CONFIG = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-errors.log;
events {{ worker_connections 4096; }}
http {{
  log_format arrival '$msec';
  access_log {folder}/arrivals.log arrival;
  client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi;
  uwsgi_temp_path {folder}/nginx-uwsgi;
  scgi_temp_path {folder}/nginx-scgi;
  keepalive_requests 100000000;
  keepalive_timeout 600s;
  client_max_body_size 1m;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    default_type application/json;
    location / {{ return 200 '{{"ok":true,"ts":"1.2","channel":"C0"}}'; }}
  }}
}}
"""
_LINE = len("1700000000.123\n")


def program() -> str | None:
    """Where nginx is; None when it is not installed."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


class Nginx(AbstractContextManager["Nginx"]):
    """Answers on `url` while inside; `down` and `up` make it unreachable and reachable again."""

    def __init__(self, folder: Path) -> None:
        """Files go to `folder`."""
        self._folder = folder
        self._port = free_port()
        self._arrivals = folder / "arrivals.log"
        self._running = ExitStack()
        self.url = f"http://127.0.0.1:{self._port}/"

    def __enter__(self) -> Self:
        (self._folder / "nginx.conf").write_text(_CONFIG.format(folder=self._folder, port=self._port))
        self.up()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.down()

    def up(self) -> None:
        """Answer."""
        command = [program() or "nginx", "-p", str(self._folder), "-e", "stderr", "-c", "nginx.conf"]
        self._running.enter_context(child(command, self._folder, lambda: listens(self._port)))

    def down(self) -> None:
        """Refuse connections."""
        self._running.close()

    @property
    def arrived(self) -> int:
        """How many messages have arrived since the start."""
        return self._arrivals.stat().st_size // _LINE if self._arrivals.exists() else 0

    def at(self, place: int) -> float:
        """When the message at that place (from 0) arrived; seconds since the epoch, to the millisecond."""
        with self._arrivals.open("rb") as log:
            log.seek(place * _LINE)
            return float(log.read(_LINE))
