"""An OpenAI-compatible endpoint on loopback that answers as a function says: for tests, here and in users' own code."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from saebench.judges.contract import Message

Reply = str | int | bytes | tuple[int, dict[str, str]]
"""The judge's words, a status to fail with (and headers), or the raw body of a reply."""


@dataclass
class FakeEndpoint:
    """What a running server was asked, and where it listens."""

    reply: Callable[[list[Message]], Reply]
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    """Bodies of the requests so far."""
    headers: list[dict[str, str]] = field(default_factory=list)
    """Their headers, names in lower case."""

    @property
    def judge(self) -> str:
        """The name of a judge that asks it."""
        return f"openai:{self.url}#fake"


@contextmanager
def fake_endpoint(reply: Callable[[list[Message]], Reply]) -> Iterator[FakeEndpoint]:
    """A real HTTP server in a thread of its own, until the end of the block.

    Args:
        reply: from the messages of a request to the reply; called in several threads at once.
    """
    told = FakeEndpoint(reply)
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                told.requests.append({"path": self.path, **body})
                told.headers.append({name.lower(): value for name, value in self.headers.items()})
            made = told.reply([Message(**one) for one in body["messages"]])
            status, headers = made if isinstance(made, tuple) else (made if isinstance(made, int) else 200, {})
            if isinstance(made, str):
                content = json.dumps({"choices": [{"message": {"role": "assistant", "content": made}}]}).encode()
            else:
                content = made if isinstance(made, bytes) else b'{"error": {"message": "as told"}}'
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that went away before its answer is no error of the server."""

    server = Server(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
