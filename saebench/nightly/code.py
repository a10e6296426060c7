"""Which code is running: its version, and its commit where it runs from a checkout."""

from __future__ import annotations

import getpass
import os
import subprocess
from importlib.metadata import version

from pydantic import BaseModel, ConfigDict

import saebench.packaged_files


class Code(BaseModel):
    """Provenance of a night: it never makes a cell incomparable."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    saebench: str
    commit: str | None
    """`-dirty` at its end where files differ from it; null where saebench is no git checkout."""

    def __str__(self) -> str:
        return f"saebench {self.saebench}" + (f" at {self.commit}" if self.commit else "")


def running_code() -> Code:
    """The code of this process. The checkout that counts is the one saebench lies in, not the working folder."""
    folder = saebench.packaged_files.PACKAGE.parent
    commit = None
    if (folder / ".git").exists():
        asked = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
        try:
            commit = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            commit = None
    return Code(saebench=version("saebench"), commit=commit)


def who() -> str:
    """Who is running it: the actor of a workflow, else the user of this machine."""
    actor = os.environ.get("GITHUB_ACTOR")
    if actor:
        return actor
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
