"""One text a row: how tasks on single texts (probing, prompts) hand them to a language model.

A row is a begin-of-text token, then the first `context - 1` tokens of the text, then padding. The mask rule is that of
packed rows: inserted tokens and special ids never count, so that the first position, with its huge activation, is out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from saebench.data.layout import MASK_RULE, NO_DOCUMENT, begin_and_pad
from saebench.data.packing import PackedRows
from saebench.fingerprint import array_digest, digest


def rows_of_texts(
    texts: Sequence[str],
    tokenizer: Any,
    *,
    tokenizer_hash: str,
    context: int,
    ids: Sequence[str],
    name: str,
    licence: str,
) -> PackedRows:
    """Rows `[len(texts), T]` in the order of `texts`; T is the longest row, at most `context`.

    A text without a countable token has a row without an unmasked position: the caller leaves it out.

    Args:
        texts: at least one.
        tokenizer: a Hugging Face tokenizer.
        tokenizer_hash: its content hash, part of the fingerprint.
        context: longest row, begin-of-text token included; longer texts lose their end.
        ids: one a text: the documents of the rows, which are their clusters.
        name, licence: of the texts.

    Raises:
        DataError: the tokenizer has no special token that can begin a text.
    """
    return rows_of_ids(
        token_ids(texts, tokenizer),
        tokenizer,
        tokenizer_hash=tokenizer_hash,
        context=context,
        ids=ids,
        name=name,
        licence=licence,
    )


def token_ids(texts: Sequence[str], tokenizer: Any) -> list[list[int]]:
    """Token ids of each text; a special token's name that occurs in a text is read as plain text."""
    ids: list[list[int]] = tokenizer(
        list(texts),
        add_special_tokens=False,
        split_special_tokens=True,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )["input_ids"]
    return ids


def rows_of_ids(
    texts: Sequence[Sequence[int]],
    tokenizer: Any,
    *,
    tokenizer_hash: str,
    context: int,
    ids: Sequence[str],
    name: str,
    licence: str,
) -> PackedRows:
    """As `rows_of_texts`, for texts that are token ids already.

    Raises:
        DataError: the tokenizer has no special token that can begin a text.
    """
    begin, pad = begin_and_pad(tokenizer)
    special = np.array(sorted(set(tokenizer.all_special_ids)), dtype=np.int32)
    kept = [np.asarray(one[: context - 1], dtype=np.int32) for one in texts]
    width = 1 + max(len(one) for one in kept)
    tokens = np.full((len(kept), width), pad, np.int32)
    mask = np.zeros((len(kept), width), np.bool_)
    documents = np.full((len(kept), width), NO_DOCUMENT, np.int32)
    tokens[:, 0] = begin
    for row, one in enumerate(kept):
        tokens[row, 1 : 1 + len(one)] = one
        mask[row, 1 : 1 + len(one)] = ~np.isin(one, special)
        documents[row, 1 : 1 + len(one)] = row
    packing = {
        "layout": "one text a row",
        "context": context,
        "begin_id": begin,
        "pad_id": pad,
        "cut": sum(len(one) >= context for one in texts),
    }
    covered = {
        "rows": array_digest({"tokens": tokens, "mask": mask, "documents": documents}),
        "ids": list(ids),
        "packing": packing,
        "mask_rule": MASK_RULE,
        "tokenizer": tokenizer_hash,
    }
    return PackedRows(
        name=name,
        licence=licence,
        fingerprint=digest(covered),
        tokens=tokens,
        mask=mask,
        documents=documents,
        document_ids=tuple(ids),
        document_hashes=tuple(ids),
        packing=packing,
    )
