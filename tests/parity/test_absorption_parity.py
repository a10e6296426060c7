"""Both published absorption fractions and full absorption, word by word, against the sae-bench that they are from."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from saebench.tasks.absorption.measures import WordScores, score_words

pytestmark = pytest.mark.parity


def judged(peers: Path, year: int) -> tuple[WordScores, dict[str, np.ndarray]]:
    """Our scores of each word, and theirs."""
    given = load_file(peers / f"absorption_{year}" / "words.safetensors")
    direction = given["direction"].astype(np.float64)
    direction /= np.linalg.norm(direction)
    codes, atoms = given["codes"].astype(np.float64), given["atoms"].astype(np.float64)
    written = atoms @ direction
    ours = score_words(
        a=given["x"].astype(np.float64) @ direction,
        s=codes * written,
        silent=codes < 1e-8,
        cosines=written / np.linalg.norm(atoms, axis=1),
        main=given["main"].tolist(),
    )
    return ours, given


@pytest.mark.parametrize("year", [2024, 2026])
def test_the_fraction_of_each_word(peers: Path, year: int) -> None:
    ours, theirs = judged(peers, year)
    mine = getattr(ours, f"fraction_{year}")
    assert min((mine == 0).sum(), (mine == 1).sum(), ((mine > 0) & (mine < 1)).sum()) > 10
    np.testing.assert_allclose(mine, theirs["fraction"], atol=1e-5)


@pytest.mark.parametrize("year", [2024, 2026])
def test_full_absorption_of_each_word(peers: Path, year: int) -> None:
    ours, theirs = judged(peers, year)
    assert 10 < theirs["full"].sum() < len(theirs["full"]) - 10
    assert np.array_equal(ours.full, theirs["full"])
