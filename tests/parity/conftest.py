import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def peers() -> Path:
    """Where other implementations have written what they give."""
    if "SAEBENCH_PARITY" not in os.environ:
        pytest.skip("other implementations have not run: tox run -e parity, or prepare.py and SAEBENCH_PARITY=FOLDER")
    return Path(os.environ["SAEBENCH_PARITY"])
