"""A sound bundle, and what this installation knows."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_bundle import Files, in_folder, sound_files

from saebench.submissions.known import Known


@pytest.fixture(scope="session")
def known() -> Known:
    from saebench.verifier import known

    return known()


@pytest.fixture(scope="session")
def built() -> Files:
    return sound_files()


@pytest.fixture
def files(built: Files) -> Files:
    return dict(built)


@pytest.fixture
def folder(files: Files, tmp_path: Path) -> Path:
    return in_folder(files, tmp_path)
