"""Who reads an entry: one small file per reader beside it, which dies with its process."""

from __future__ import annotations

import json
import os
import platform
import time
import weakref
from pathlib import Path
from uuid import uuid4

import psutil

FOLDER = "leases"
"""Folder of an entry that holds the leases."""

FOREIGN_SECONDS = 86_400.0
"""A lease of another machine, whose processes cannot be seen from here, counts for a day."""

CLOCK_SECONDS = 5.0
"""Two readings of one process's start may differ by so much when the clock is set."""


class Lease:
    """The right to find an entry's files in place, until `release`, the end of the object or of the process.

    Take one while holding the entry's lock only: leases of dead processes are swept away by the way.
    """

    def __init__(self, folder: Path) -> None:
        leases = folder / FOLDER
        leases.mkdir(parents=True, exist_ok=True)
        for path in leases.iterdir():
            if not _holds(path):
                path.unlink(missing_ok=True)
        holder = {"machine": platform.node(), "pid": os.getpid(), "started": psutil.Process().create_time()}
        path = leases / f"{os.getpid()}-{uuid4().hex[:8]}.json"
        path.write_text(json.dumps(holder))
        self.release = weakref.finalize(self, _drop, path, os.getpid())


def in_use(folder: Path) -> bool:
    """Whether a living process holds a lease on an entry."""
    return any(_holds(path) for path in (folder / FOLDER).glob("*.json"))


def _holds(path: Path) -> bool:
    try:
        holder = json.loads(path.read_text())
        if holder["machine"] != platform.node():
            return time.time() - path.stat().st_mtime < FOREIGN_SECONDS
        process = psutil.Process(holder["pid"])
        same = abs(process.create_time() - holder["started"]) < CLOCK_SECONDS
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.AccessDenied:
        return True
    except (ValueError, KeyError, TypeError, FileNotFoundError, psutil.NoSuchProcess):
        return False


def _drop(path: Path, owner: int) -> None:
    """A fork inherits the object, but not the right to end the lease."""
    if os.getpid() == owner:
        path.unlink(missing_ok=True)
