"""A database that is migrated once, and the made-up results of tests/results."""

import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "results"))
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory):
    """MLflow takes seconds to make its tables: once is enough."""
    from saebench.tracking.connection import connected

    folder = tmp_path_factory.mktemp("mlflow")
    with connected(f"sqlite:///{folder / 'mlflow.db'}", folder):
        pass
    return folder / "mlflow.db"


@pytest.fixture
def store(tmp_path, migrated_database):
    from saebench.results.store import ResultStore

    root = tmp_path / "results"
    root.mkdir()
    shutil.copy(migrated_database, root / "mlflow.db")
    return ResultStore(root)
