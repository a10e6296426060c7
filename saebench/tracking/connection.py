"""Opening an MLflow tracking store: which URIs are taken, quiet logs, short waits, one clear error."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from saebench.errors import StorageError, UsageError, first_line

if TYPE_CHECKING:
    from mlflow import MlflowClient

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
SERVERS = ("http", "https", "databricks", "databricks-uc")
NOISY = ("mlflow", "alembic", "sqlalchemy")
SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
"""Short waits instead of seven retries over minutes, for results are on disk and a sync can be repeated; and nothing
on stdout, which belongs to the command line."""


def default_uri(results: Path) -> str:
    """The sqlite database in the results folder."""
    return f"sqlite:///{(results / 'mlflow.db').resolve()}"


def check_uri(uri: str) -> str:
    """The URI, if MLflow can keep runs there.

    Raises:
        UsageError: a folder (MLflow has closed its file store), or nothing that MLflow knows.
    """
    scheme = urlsplit(uri).scheme.partition("+")[0]
    if scheme in (*DATABASES, *SERVERS):
        return uri
    if scheme in ("", "file") or len(scheme) == 1:
        raise UsageError(
            f"'{uri}' is a folder, and MLflow no longer keeps runs in folders: name a database "
            "(sqlite:////path/mlflow.db) or a server (http://...); old runs move with 'mlflow migrate-filestore'"
        )
    raise UsageError(f"'{uri}' is no MLflow tracking URI: name a database (sqlite:////path/mlflow.db) or a server")


def is_server(uri: str) -> bool:
    """Whether a server decides where artifacts go; beside a database we do."""
    return urlsplit(uri).scheme in SERVERS


def shown(uri: str) -> str:
    """The URI without a password in it."""
    parts = urlsplit(uri)
    if parts.password is None:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":***@")))


@contextmanager
def connected(uri: str, results: Path) -> Iterator[MlflowClient]:
    """A client of the store at `uri`, which is reached and brought up to date first.

    Inside, MLflow's and its libraries' logs show warnings only and waits are short. Telemetry is off unless the
    user has set MLFLOW_DISABLE_TELEMETRY.

    Raises:
        StorageError: the store cannot be reached or fails on the way; results in `results` are safe.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    with _quiet(), _environment(SETTINGS):
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from requests.exceptions import RequestException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            if uri.startswith("sqlite:///"):
                Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
            client = MlflowClient(tracking_uri=uri)
            client.search_experiments(max_results=1)
            yield client
        except (MlflowException, RequestException, SQLAlchemyError, OSError) as error:
            raise StorageError(
                f"MLflow cannot be written: {first_line(error)[:300]}",
                file=shown(uri),
                remedy=f"results are safe: 'saebench mlflow sync {results}' sends what is missing",
            ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in NOISY]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _environment(defaults: dict[str, str]) -> Iterator[None]:
    """Set variables that the user has not set, for a while."""
    missing = {name: value for name, value in defaults.items() if name not in os.environ}
    os.environ.update(missing)
    try:
        yield
    finally:
        for name in missing:
            os.environ.pop(name, None)
