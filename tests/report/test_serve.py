from __future__ import annotations

import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from saebench.errors import StorageError
from saebench.report.serve import server_of


def get(address: str) -> tuple[int, bytes]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, b""


def test_serves_the_folder_on_this_machine_alone(tmp_path: Path) -> None:
    board = tmp_path / "board"
    (board / "inner").mkdir(parents=True)
    (board / "index.html").write_text("<p>here</p>")
    (tmp_path / "secret").write_text("outside")
    with server_of(board, 0) as server:
        assert server.server_address[0] == "127.0.0.1"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            base = f"http://127.0.0.1:{server.server_port}"
            assert get(base + "/") == (200, b"<p>here</p>")
            assert get(base + "/inner/")[0] == 404
            assert get(base + "/../secret")[0] == 404
        finally:
            server.shutdown()
            thread.join()


def test_a_taken_port_or_a_missing_folder_is_told(tmp_path: Path) -> None:
    with server_of(tmp_path, 0) as server, pytest.raises(StorageError, match="cannot be used"):
        server_of(tmp_path, server.server_port)
    with pytest.raises(StorageError, match="no such folder"):
        server_of(tmp_path / "none", 0)
