"""A process that asks a store for activations: python harvester.py FOLDER LAST.

It makes a file FOLDER/ready-PID, waits for FOLDER/go, and dies where it should read more than LAST batches.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from time import sleep

from activation_scene import MLP, SITE, Counting, counting_model, fresh_store, random_rows, small_shards
from torch import Tensor


class Dying(Counting):
    """Ends its process, without a word, when it should read batch `last + 1`."""

    last: int

    def capture(self, tokens: Tensor, sites: list[str]) -> dict[str, Tensor]:
        sleep(0.05)
        if len(self.passes()) == self.last:
            os._exit(9)
        return super().capture(tokens, sites)


def main(folder: Path, last: int) -> None:
    small_shards()
    lm = counting_model(folder)
    lm.__class__ = Dying
    lm.last = last  # type: ignore[attr-defined]
    (folder / f"ready-{os.getpid()}").touch()
    while not (folder / "go").exists():
        sleep(0.005)
    made = fresh_store(folder).sets(lm, random_rows(), [SITE, MLP], batch_rows=4)  # type: ignore[arg-type]
    sys.stdout.write(f"{made[SITE].mean().sum().item()!r}\n")


main(Path(sys.argv[1]), int(sys.argv[2]))
