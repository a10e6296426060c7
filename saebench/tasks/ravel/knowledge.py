"""Which facts the model knows: those that it tells by itself.

A prompt counts as known where the model's greedy continuation begins with the whole answer. One pass decides that
exactly: with the answer behind the prompt, each of its tokens must be the likeliest one of the whole vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from saebench.tasks.contract import Bench
from saebench.tasks.ravel.prompts import Prompts

Array = np.ndarray[Any, Any]

BATCH_TOKENS = 2048
"""Positions in a forward pass, padding included."""


def known(prompts: Prompts, bench: Bench) -> Array:
    """Whether the model knows each prompt, `[n]` bool. Made once for a model and a set of prompts."""

    def make() -> dict[str, Array]:
        return {"known": told(prompts, bench)}

    return bench.artefact("answers to facts", {"prompts": prompts.fingerprint, "version": 1}, make)["known"]


def told(prompts: Prompts, bench: Bench) -> Array:
    """The pass of `known`."""
    rows = [[prompts.begin, *one.ids, *one.answer] for one in prompts.listed]
    right = np.zeros(len(rows), dtype=np.bool_)
    with bench.progress.bar(f"{prompts.facts.name}: what {bench.lm.name} knows", len(rows), "prompt") as bar:
        for chosen in batches_by_length([len(row) for row in rows]):
            width = max(len(rows[index]) for index in chosen)
            tokens = torch.tensor([rows[index] + [prompts.begin] * (width - len(rows[index])) for index in chosen])
            spans = [range(len(prompts.listed[index].ids), len(rows[index]) - 1) for index in chosen]
            positions = sorted({position for span in spans for position in span})
            with torch.inference_mode():
                said = bench.lm.logits(tokens, torch.tensor(positions)).argmax(2).cpu()
            where = {position: column for column, position in enumerate(positions)}
            for row, (index, span) in enumerate(zip(chosen, spans, strict=True)):
                answer = [int(said[row, where[position]]) for position in span]
                right[index] = tuple(answer) == prompts.listed[index].answer
            bar.advance(len(chosen))
    return right


def batches_by_length(lengths: list[int]) -> Iterator[list[int]]:
    """Indices of all rows, those of like length together, so that little padding is computed."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: (lengths[index], index)):
        if batch and (len(batch) + 1) * lengths[index] > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
