"""Where the files that ship beside the code lie: suites, baselines and the site of the leaderboard.

In an installed wheel they are package data; in a checkout they are the folders that people edit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from saebench.errors import InputError

Kind = Literal["suites", "baselines", "site"]

PACKAGE = Path(__file__).parent
IN_WHEEL = PACKAGE / "packaged"
IN_CHECKOUT: dict[Kind, Path] = {
    "suites": PACKAGE.parent / "suites",
    "baselines": PACKAGE.parent / "baselines",
    "site": PACKAGE.parent / "leaderboard" / "site",
}


def packaged(kind: Kind) -> Path:
    """The folder of one kind of files.

    Raises:
        InputError: neither the wheel's folder nor the checkout's is there.
    """
    for folder in (IN_WHEEL / kind, IN_CHECKOUT[kind]):
        if folder.is_dir():
            return folder
    raise InputError("the files that ship with saebench are missing", file=IN_WHEEL / kind, remedy="reinstall saebench")
