"""The curves of the organism over many steps, by hand: `python tests/oracles/organism_long.py OUT.json [STEPS]`.

PW-MCC and GT-MCC after the updates 0, 100, 200, ... of Standard and then TopK models. What OUT.json holds is not
computed again, and the states of training lie in a folder beside it: start the same command again to go on.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from organism import advance, gt_mcc, pw_mcc, start

STEPS, EVERY, CHECKPOINT_EVERY = 5_000, 100, 500


def follow(kind: str, out: Path, steps: int) -> None:
    """Train the models of one kind and write their curve as it grows."""
    curves = json.loads(out.read_text()) if out.exists() else {}
    curve = curves.setdefault(kind, {})
    runs = start(kind, steps + 1, out.with_suffix(""))
    for step in range(0, steps + 1, EVERY):
        if str(step) in curve:
            continue
        advance(runs, step + 1)
        curve[str(step)] = {"pw_mcc": round(pw_mcc(runs), 5), "gt_mcc": [round(value, 5) for value in gt_mcc(runs)]}
        whole = out.with_suffix(".part")
        whole.write_text(json.dumps(curves, indent=1))
        whole.replace(out)
        if step % CHECKPOINT_EVERY == 0:
            for run in runs:
                run.checkpoint()


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in ("standard", "topk"):
        follow(name, Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else STEPS)
