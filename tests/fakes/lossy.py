"""A proxy before PostgreSQL that can lose the answer to a commit, as a network can."""

import re
import socket
import threading
from contextlib import suppress

from psycopg.conninfo import conninfo_to_dict, make_conninfo


class LossyProxy:
    """Forwards everything; once `lose` is set, the next COMMIT reaches the server and its answer is dropped.

    `of` is how a statement of that transaction must begin.
    """

    def __init__(self, url: str, of: str = "") -> None:
        self._of = of.encode()
        # The driver sends only the name of a statement that is prepared.
        self._prepared = re.compile(rb"(_pg3_\d+\0)" + re.escape(self._of))
        self._server = conninfo_to_dict(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.lose = threading.Event()
        self.lost = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The URL for the store."""
        host, port = self._listener.getsockname()
        names = {"host": host, "port": port, "sslmode": "disable", "gssencmode": "disable"}
        known = conninfo_to_dict(make_conninfo("", **{**self._server, **names}))
        rest = "&".join(f"{name}={value}" for name, value in known.items() if value)
        return f"postgresql:///?{rest}"

    def close(self) -> None:
        """Accept no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = self._connect()
                threading.Thread(target=self._pass_on, args=(client, server), daemon=True).start()
                threading.Thread(target=self._pass_back, args=(server, client), daemon=True).start()

    def _connect(self) -> socket.socket:
        host, port = str(self._server.get("host") or "127.0.0.1"), int(self._server.get("port") or 5432)
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        names, meant = {self._of}, False
        with suppress(OSError):
            while data := client.recv(65_536):
                names.update(self._prepared.findall(data))
                meant = meant or any(name in data for name in names)
                if b"COMMIT\0" in data:
                    if meant and self.lose.is_set():
                        self._commit_unheard(client, server, data)
                        return
                    meant = False
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def _commit_unheard(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        self.lose.clear()
        client.shutdown(socket.SHUT_RDWR)
        server.sendall(data)
        # The server ends the session after its commit, when it finds the connection closed.
        server.shutdown(socket.SHUT_WR)

    def _pass_back(self, server: socket.socket, client: socket.socket) -> None:
        with server, client, suppress(OSError):
            while data := server.recv(65_536):
                with suppress(OSError):
                    client.sendall(data)
        self.lost.set()
