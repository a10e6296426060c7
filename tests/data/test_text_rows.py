"""One text a row: tokens are the text's own, the inserted ones never count."""

from __future__ import annotations

import numpy as np
from toy_tokenizers import by_byte

from saebench.data.text_rows import rows_of_texts

BEGIN, PAD = 0, 2


def made(texts: list[str], context: int = 8, ids: list[str] | None = None):
    return rows_of_texts(
        texts,
        by_byte(),
        tokenizer_hash="toy",
        context=context,
        ids=ids or [str(index) for index in range(len(texts))],
        name="toy",
        licence="none",
    )


def test_a_row_is_begin_text_and_padding():
    rows = made(["abc", "abcde"])
    assert rows.tokens.shape == (2, 6)
    assert rows.tokens[:, 0].tolist() == [BEGIN, BEGIN]
    assert rows.tokens[0, 1:4].tolist() == rows.tokens[1, 1:4].tolist()
    assert rows.tokens[0, 4:].tolist() == [PAD, PAD]
    assert rows.mask.sum(1).tolist() == [3, 5]
    assert not rows.mask[:, 0].any()


def test_long_texts_lose_their_end_and_are_counted():
    rows = made(["abcdefghij", "abcdefg", "abc"], context=8)
    assert rows.tokens.shape == (3, 8)
    assert rows.packing["cut"] == 1
    assert np.array_equal(rows.tokens[0], rows.tokens[1])


def test_a_special_token_that_a_text_spells_is_text():
    rows = made(["a</s>b"])
    assert rows.mask.sum() == len("a</s>b")


def test_the_fingerprint_follows_tokens_and_ids():
    assert made(["abc", "de"]).fingerprint == made(["abc", "de"]).fingerprint
    assert made(["abc", "de"]).fingerprint != made(["abd", "de"]).fingerprint
    assert made(["abc", "de"]).fingerprint != made(["abc", "de"], ids=["x", "y"]).fingerprint
