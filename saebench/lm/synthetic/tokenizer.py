"""The tokenizer of synthetic worlds: a text is a list of sample numbers, a token is one sample."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from saebench.errors import DataError
from saebench.fingerprint import digest

FIRST = 8
"""Token id of sample 0; ids below it are special or unused."""
LAST_SAMPLE = 2**31 - 1 - FIRST
"""Largest sample number that a token can name: token ids are int32."""
LONGEST = 1_000_000
"""Samples that one text may name."""

_ITEM = re.compile(r"(\d+)(?:-(\d+))?")


class SampleTokenizer:
    """What saebench asks of a tokenizer, for texts such as "17 18" and "640-703" (both ends are meant).

    Only the parts of the interface of Hugging Face tokenizers that saebench uses are here.
    """

    pad_token_id = 0
    bos_token_id = 1
    eos_token_id = 2
    all_special_ids = (0, 1, 2)
    name_or_path = "sample numbers"
    is_fast = False
    model_max_length = LAST_SAMPLE

    def __call__(self, texts: str | Sequence[str], **settings: Any) -> dict[str, Any]:
        """Token ids of a text, or of several, as `{"input_ids": ...}`. No special ids are added, whatever is asked.

        Raises:
            DataError: a text holds anything else than sample numbers and ranges of them.
        """
        if isinstance(texts, str):
            return {"input_ids": encode(texts)}
        return {"input_ids": [encode(text) for text in texts]}

    def __len__(self) -> int:
        """Ids that are no samples."""
        return FIRST

    def decode(self, ids: Sequence[int], **settings: Any) -> str:
        """Sample numbers of token ids; special ids are left out."""
        return " ".join(str(int(number) - FIRST) for number in ids if int(number) >= FIRST)

    def batch_decode(self, sequences: Sequence[Sequence[int]], **settings: Any) -> list[str]:
        """`decode` of each."""
        return [self.decode(ids) for ids in sequences]


def encode(text: str) -> list[int]:
    """Token ids of one text.

    Raises:
        DataError: it holds anything else than sample numbers and ranges.
    """
    parts = []
    for item in text.split():
        match = _ITEM.fullmatch(item)
        if match is None:
            raise DataError(
                f"a synthetic world reads sample numbers such as '17 18' or '640-703', not '{item[:40]}'",
                remedy="take data of the world: synthetic:PRESET, or texts of sample numbers",
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last > LAST_SAMPLE or last - first >= LONGEST:
            raise DataError(
                f"'{item}' is no range of samples",
                remedy=f"numbers go from 0 to {LAST_SAMPLE}, from low to high, {LONGEST:,} in a text",
            )
        parts.append(np.arange(first, last + 1))
    return (np.concatenate(parts) + FIRST).tolist() if parts else []


def sample_numbers(tokens: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Sample numbers of token ids, int64; negative where the id is no sample."""
    return tokens.astype(np.int64) - FIRST


def sample_tokenizer_hash() -> str:
    """Content hash of the tokenizer."""
    return digest({"tokenizer": "sample numbers", "first": FIRST, "version": 1})
