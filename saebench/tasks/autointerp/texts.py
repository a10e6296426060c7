"""Windows of tokens as text, with and without marks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

OPEN, CLOSE = "<<", ">>"
NEWLINE = "↵"
"""Stands for a line break, so that an example is one line."""
CUT = "\ufffd"
"""What a decoder writes for a character that is not whole yet."""


def pieces(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """The text that each token adds to the text of those before it; a character belongs to the token that ends it."""
    ends = [0]
    text = ""
    for count in range(1, len(ids) + 1):
        text = tokenizer.decode(list(ids[:count]), skip_special_tokens=False, clean_up_tokenization_spaces=False)
        ends.append(max(ends[-1], len(text.rstrip(CUT))))
    return [text[start:end].replace("\n", NEWLINE) for start, end in pairwise(ends)]


def plain(parts: Sequence[str]) -> str:
    """One line of text."""
    return "".join(parts).strip()


def marked(parts: Sequence[str], places: Sequence[int]) -> str:
    """The same with neighbouring marked tokens between `OPEN` and `CLOSE`; leading spaces stay outside."""
    chosen = set(places)
    line = ""
    for place, part in enumerate(parts):
        if place in chosen and place - 1 not in chosen:
            bare = part.lstrip(" ")
            line += part[: len(part) - len(bare)] + OPEN + bare
        else:
            line += part
        if place in chosen and place + 1 not in chosen:
            line += CLOSE
    return line.strip()
