"""Compact letter display: two subjects share a letter if and only if they do not differ significantly.

Insert-and-absorb (Piepho, An Algorithm for a Letter-Based Representation of All-Pairwise Comparisons, Journal of
Computational and Graphical Statistics 2004): start with one group of all; for each subject that differs from some
of a group, replace the group by one without the subject and one without those; absorb groups inside others. Never
a transitive closure: with a = b and b = c but a != c there are two groups, and b is in both.
"""

from __future__ import annotations

import numpy as np

from saebench.stats.ranks import BoolArray

ALPHABET = "abcdefghijklmnopqrstuvwxyz"


def compact_letters(different: BoolArray) -> list[tuple[str, ...]]:
    """Letters of each of N subjects, which stand from best to worst: the first group gets "a".

    Args:
        different: symmetric `[N, N]`, True where two subjects differ significantly.
    """
    subjects = range(len(different))
    rivals = [sum(1 << int(other) for other in np.flatnonzero(row)) for row in different]
    groups = [(1 << len(different)) - 1] if subjects else []
    for subject in subjects:
        own = 1 << subject
        torn = [group for group in groups if group & own and group & rivals[subject]]
        whole = [group for group in groups if not (group & own and group & rivals[subject])]
        groups = _absorb(whole, [part for group in torn for part in (group & ~rivals[subject], group & ~own)])
    members = sorted([subject for subject in subjects if group >> subject & 1] for group in groups)
    letters: list[tuple[str, ...]] = [() for _ in subjects]
    for index, group in enumerate(members):
        for subject in group:
            letters[subject] += (letter_name(index),)
    return letters


def letter_name(index: int) -> str:
    """a, b, ..., z, a1, b1, ..., z1, a2, ..."""
    round_, letter = divmod(index, len(ALPHABET))
    return ALPHABET[letter] + (str(round_) if round_ else "")


def _absorb(whole: list[int], parts: list[int]) -> list[int]:
    """The groups, as bit sets, with those parts that no other group holds; the whole ones hold none another."""
    kept = list(whole)
    for part in sorted(set(parts), key=int.bit_count, reverse=True):
        if not any(part & ~other == 0 for other in kept):
            kept.append(part)
    return kept
