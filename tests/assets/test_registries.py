"""The real pip against a folder of wheels, and a loopback npm registry; nothing here leaves the machine."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from toy_assets import TOY, TOY_WHEEL, WANTED, pinned, tarball

from saebench.assets import ASSETS, fetch
from saebench.assets.registries import npm_registry
from saebench.errors import AssetError
from saebench.progress import Bar, Silent

TARBALL = tarball({"package/wanted": WANTED})
NPM_TOY = pinned(
    replace(
        TOY,
        registry="npm",
        package="toy",
        archive="toy-1.0.tgz",
        members=(replace(TOY.members[0], path="package/wanted"),),
    ),
    TARBALL,
)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SAEBENCH_CACHE", str(tmp_path / "cache"))
    yield
    ASSETS.remove("toy")


class Counting(Silent):
    """Adds up what the bars were told."""

    def __init__(self) -> None:
        self.total = 0.0

    def bar(self, label: str, total: float | None, unit: str) -> Bar:
        counting = self

        class Adding(Bar):
            def advance(self, amount: float = 1, **fields: float | str) -> None:
                counting.total += amount

        return Adding()


@pytest.fixture
def wheels(toy: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is pip's only source."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def test_pip_brings_the_wheel_without_its_dependencies_and_nothing_of_it_stays(wheels: Path, tmp_path: Path) -> None:
    (wheels / TOY.archive).write_bytes(TOY_WHEEL)
    ASSETS.add("toy", TOY)
    progress = Counting()
    folder = fetch("toy", progress)
    assert (folder / "wanted.txt").read_bytes() == WANTED
    assert progress.total == len(TOY_WHEEL)
    assert [path.name for path in (tmp_path / "cache" / "assets").iterdir() if path.suffix != ".lock"] == [folder.name]


def test_without_the_package_the_error_says_what_to_do(wheels: Path, tmp_path: Path) -> None:
    ASSETS.add("toy", TOY)
    with pytest.raises(AssetError, match=r"pip could not download saebench-toy-asset==1\.0") as caught:
        fetch("toy")
    assert f"on another machine and put it into {tmp_path / 'cache' / 'assets' / 'archives'}" in str(caught.value)


def test_a_wheel_with_another_hash_is_refused(wheels: Path) -> None:
    (wheels / TOY.archive).write_bytes(TOY_WHEEL)
    ASSETS.add("toy", replace(TOY, archive_sha256="0" * 64))
    with pytest.raises(AssetError, match=r"SHA-256 is .* pinned is 000"):
        fetch("toy")


class NpmRegistry:
    """A loopback registry below ``/mirror/``: serves the tarball, cuts `cuts` answers short, notes what is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.cuts = 0
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.asked.append(self.path)
                if self.path != "/mirror/toy/-/toy-1.0.tgz":
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(TARBALL)))
                self.end_headers()
                cut = len(registry.asked) <= registry.cuts
                self.wfile.write(TARBALL[: len(TARBALL) // 2] if cut else TARBALL)

            def log_message(self, *args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/mirror/"


@pytest.fixture
def npm(toy: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[NpmRegistry]:
    registry = NpmRegistry()
    threading.Thread(target=registry.server.serve_forever, daemon=True).start()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("npm_config_registry", registry.address)
    yield registry
    registry.server.shutdown()
    registry.server.server_close()


def test_npm_archives_come_from_the_configured_registry(npm: NpmRegistry) -> None:
    ASSETS.add("toy", NPM_TOY)
    assert (fetch("toy") / "wanted.txt").read_bytes() == WANTED
    assert npm.asked == ["/mirror/toy/-/toy-1.0.tgz"]


def test_a_broken_connection_is_tried_again(npm: NpmRegistry) -> None:
    npm.cuts = 2
    ASSETS.add("toy", NPM_TOY)
    progress = Counting()
    assert (fetch("toy", progress) / "wanted.txt").read_bytes() == WANTED
    assert progress.total == len(TARBALL)


def test_a_connection_that_always_breaks_is_an_error_with_a_remedy(npm: NpmRegistry) -> None:
    npm.cuts = 100
    ASSETS.add("toy", NPM_TOY)
    with pytest.raises(AssetError, match=r"the connection ended after .* put it into"):
        fetch("toy")


def test_a_package_that_is_not_there_is_asked_for_once(npm: NpmRegistry) -> None:
    ASSETS.add("toy", replace(NPM_TOY, package="nowhere"))
    with pytest.raises(AssetError, match="answered 404"):
        fetch("toy")
    assert len(npm.asked) == 1


def test_no_network_at_all_is_an_error_with_a_remedy(npm: NpmRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    ASSETS.add("toy", NPM_TOY)
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    with pytest.raises(AssetError, match="put it into"):
        fetch("toy")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("npm_config_registry", raising=False)
    monkeypatch.delenv("NPM_CONFIG_REGISTRY", raising=False)
    return tmp_path


def test_the_registry_is_the_environments_then_npmrcs_then_npms(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert npm_registry() == "https://registry.npmjs.org"
    (home / ".npmrc").write_text(
        "fund=false\n@scope:registry=https://scope.example\nregistry = https://rc.example/npm/\n"
    )
    assert npm_registry() == "https://rc.example/npm"
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "https://upper.example/")
    assert npm_registry() == "https://upper.example"
    monkeypatch.setenv("npm_config_registry", "https://lower.example")
    assert npm_registry() == "https://lower.example"


def test_a_registry_that_is_no_web_address_is_refused_with_its_place(home: Path) -> None:
    (home / ".npmrc").write_text("registry=file:///etc/\n")
    with pytest.raises(AssetError, match=r"\.npmrc: registry: 'file:///etc/' is not an http"):
        npm_registry()
