"""A server of static files for looking at the page, on this machine alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from saebench.errors import StorageError

LOOPBACK = "127.0.0.1"


class _Quiet(SimpleHTTPRequestHandler):
    """Serves files, lists no folder, remembers nothing, logs nothing."""

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def list_directory(self, path: object) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        return None


def server_of(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of `folder`, bound to 127.0.0.1 and not yet running; port 0 takes a free one.

    Raises:
        StorageError: the folder is not there, or the port is taken.
    """
    if not folder.is_dir():
        raise StorageError("no such folder", file=folder, remedy="'saebench leaderboard build' makes one")
    try:
        return ThreadingHTTPServer((LOOPBACK, port), partial(_Quiet, directory=str(folder)))
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"port {port} cannot be used: {reason}", remedy="name another one, or 0 for any") from error


def serve_folder(folder: Path, port: int, ready: Callable[[str], None]) -> None:
    """Serve `folder` until interrupted; `ready` is called once with the address.

    Raises:
        StorageError: as in `server_of`.
    """
    with server_of(folder, port) as server:
        ready(f"http://{LOOPBACK}:{server.server_port}/")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return
