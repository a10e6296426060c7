"""From documents to rows of token ids of one length, with a mask that says which tokens count.

A row begins with a begin-of-text token. Documents follow one another, each behind a begin-of-text token of its own
(the row's own one serves the document that starts there); what does not fit goes on in the next row. A row's last
position stays padding where only a begin-of-text token would fit. Attention is the model's plain causal one: a
document sees what stands before it in its row.

The mask rule (`MASK_RULE`) keeps the tokens of documents only. The first position of a decoder-only model carries an
activation that is orders of magnitude longer than all others, whatever token stands there (Sun et al. 2024, "Massive
activations in large language models"; in SmolLM2-135M about 23,700 against 145 to 455): one such position in a
hundred would own every mean, scale and squared error. As each row starts with an inserted token and inserted tokens
never count, that position is out for any model. Special ids inside a text (an unknown word, say) are out as well.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from saebench.errors import DataError

MASK_RULE = (
    "document tokens only: no begin-of-text, no padding, nothing before a row's first document token, no special id"
)
NO_DOCUMENT = -1


def begin_and_pad(tokenizer: Any) -> tuple[int, int]:
    """The ids that begin a text and fill a row: the tokenizer's own where it has them, else its end-of-text id.

    Raises:
        DataError: the tokenizer has neither a begin-of-text nor an end-of-text token.
    """
    begin = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    if begin is None:
        raise DataError(
            "has neither a begin-of-text nor an end-of-text token",
            file=str(tokenizer.name_or_path),
            field="bos_token",
            remedy="set bos_token in tokenizer_config.json",
        )
    fillers = (tokenizer.pad_token_id, tokenizer.eos_token_id, begin)
    return int(begin), int(next(filler for filler in fillers if filler is not None))


class Packer:
    """Lays documents into rows, one after the other."""

    def __init__(self, context: int, begin: int, pad: int) -> None:
        self._context = context
        self._begin = begin
        self._pad = pad
        self._rows: list[tuple[NDArray[np.int32], NDArray[np.bool_], NDArray[np.int32]]] = []
        self._at = context

    def add(self, index: int, ids: NDArray[np.int32], counts: NDArray[np.bool_]) -> None:
        """Lay down document `index`: token ids `[n]`, and which of them count."""
        done = 0
        while done < len(ids):
            if done == 0 or self._at == self._context:
                if self._at + 2 > self._context:
                    self._open_row()
                self._rows[-1][0][self._at] = self._begin
                self._at += 1
            tokens, mask, documents = self._rows[-1]
            here = slice(self._at, min(self._context, self._at + len(ids) - done))
            size = here.stop - here.start
            tokens[here] = ids[done : done + size]
            mask[here] = counts[done : done + size]
            documents[here] = index
            self._at += size
            done += size

    def finish(self) -> tuple[NDArray[np.int32], NDArray[np.bool_], NDArray[np.int32]]:
        """Tokens, mask and document indices, each `[R, T]`."""
        tokens, mask, documents = zip(*self._rows, strict=True)
        return np.stack(tokens), np.stack(mask), np.stack(documents)

    def _open_row(self) -> None:
        size = self._context
        row = np.full(size, self._pad, np.int32), np.zeros(size, np.bool_), np.full(size, NO_DOCUMENT, np.int32)
        self._rows.append(row)
        self._at = 0
