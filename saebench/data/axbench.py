"""AxBench's own files (Wu et al. 2025, arXiv 2501.17148): concepts with written positives and hard negatives.

A folder holds `train_data.parquet` and `latent_eval_data.parquet`, as its repository ships Concept10 and its hub page
Concept500. Training: a concept's positives, and the negatives of its genre, which concepts of one genre share. Test:
the concept's own positives and negatives; hard negatives are texts about something that its words could also mean.

What is read is the response. AxBench reads instruction and response in the chat template of its model; here any model
reads the same text, and the instruction does not bear the label. The split is that of the files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from saebench.data.concepts import GIVEN, Concept, Sizes, assembled
from saebench.data.labelled import RawRow, clean, read_table
from saebench.data.splits import split
from saebench.data.texts import Document
from saebench.errors import DataError

TRAIN, TEST = "train_data.parquet", "latent_eval_data.parquet"
COLUMNS = ("output", "output_concept", "concept_genre", "category", "concept_id")
HARD = "hard negative"
"""`category` of hard negatives in the test file."""
NO_CONCEPT = -1
"""`concept_id` of the shared negatives."""
LICENCE = "Apache-2.0"
SHORT = 60
"""Letters of a concept's description in its name."""


def axbench_concepts(folder: str, sizes: Sizes, seed: int) -> list[Concept]:
    """Every concept of a folder, in the order of their numbers; each is a family of its own.

    Raises:
        DataError: a file is missing or not AxBench's, or a concept has no positive or no negative text.
    """
    root = Path(folder).expanduser()
    train, test = rows_of(root / TRAIN), rows_of(root / TEST)
    numbers = sorted({int(row["concept_id"]) for row in test} - {NO_CONCEPT})
    return [one_concept(root, train, test, number, sizes, seed) for number in numbers]


def rows_of(path: Path) -> list[Mapping[str, Any]]:
    """Rows of one of the files.

    Raises:
        DataError: it is missing or lacks a column.
    """
    rows: list[Mapping[str, Any]] = [row for _, row in read_table(path)]
    lacking = [name for name in COLUMNS if not rows or name not in rows[0]]
    if lacking:
        raise DataError(f"has no column {', '.join(lacking)}", file=path, remedy="give AxBench's file as it is")
    return rows


def one_concept(
    root: Path,
    train: Sequence[Mapping[str, Any]],
    test: Sequence[Mapping[str, Any]],
    number: int,
    sizes: Sizes,
    seed: int,
) -> Concept:
    """Concept `number` of the rows of both files.

    Raises:
        DataError: it has no training positives, or a class is missing on one side.
    """
    mine = [row for row in train if row["concept_id"] == number]
    if not mine:
        raise DataError(f"concept {number} has no positive text", file=root / TRAIN)
    genre, about = mine[0]["concept_genre"], str(mine[0]["output_concept"])
    shared = [row for row in train if row["concept_id"] == NO_CONCEPT and row["concept_genre"] == genre]
    evaluated = [row for row in test if row["concept_id"] == number]
    raw = [RawRow(str(row["output"]), str(row["category"]), "training", split="train") for row in (*mine, *shared)]
    raw += [RawRow(str(row["output"]), str(row["category"]), "test", split="test") for row in evaluated]
    data = clean(
        f"axbench {number} {about[:SHORT]}",
        [row for row in raw if row.label != HARD],
        licence=LICENCE,
        revision="local",
        source=root / TEST,
    )
    asked = split(data, "positive", train_rows=sizes.train, test_rows=sizes.test, seed=seed)
    known = {example.hash for example in data.examples}
    found = {Document("hard", row.text).hash: row.text for row in raw if row.label == HARD and row.text.strip()}
    hard = {hash_: text for hash_, text in found.items() if hash_ not in known}
    texts = [*(example.text for example in data.examples), *hard.values()]
    hashes = [*(example.hashes for example in data.examples), *((hash_,) for hash_ in hard)]
    rows = np.arange(len(data.examples), len(texts), dtype=np.int64)[: sizes.hard]
    notes = {"positive": about, "genre": genre, "hard_negatives": GIVEN}
    return assembled(data.name, data, asked, rows, (texts, hashes), notes)
