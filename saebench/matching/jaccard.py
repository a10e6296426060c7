"""Jaccard similarity of labelled atoms: ITDA dictionaries whose atoms are activations (arXiv 2505.17769).

The label of such an atom is the place of the activation that it is: a document, by its content hash, and a token of
it. Two dictionaries that were made from the same texts, in the same order and with the same tokenizer, share the labels
that both have; sites and widths may differ.
"""

from __future__ import annotations

from collections.abc import Set

Label = tuple[str, int]
"""Content hash of a document, and the place of a token in it."""


def jaccard(a: Set[Label], b: Set[Label]) -> float:
    """Labels that both have as a share of those that either has.

    Raises:
        ValueError: neither has any.
    """
    if not a and not b:
        raise ValueError("neither dictionary has a labelled atom")
    return len(a & b) / len(a | b)
