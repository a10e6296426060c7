"""Compact letter display: two subjects share a letter if and only if they do not differ significantly.

Insert-and-absorb (Piepho, An Algorithm for a Letter-Based Representation of All-Pairwise Comparisons, Journal of
Computational and Graphical Statistics 2004): start with one group of all; for each subject that differs from some
of a group, replace the group by one without the subject and one without those; absorb groups inside others. Never
a transitive closure: with a = b and b = c but a != c there are two groups, and b is in both.
"""

from __future__ import annotations

from saebench.stats.ranks import BoolArray

ALPHABET = "abcdefghijklmnopqrstuvwxyz"


def compact_letters(different: BoolArray) -> list[tuple[str, ...]]:
    """Letters of each of N subjects, which stand from best to worst: the first group gets "a".

    Args:
        different: symmetric `[N, N]`, True where two subjects differ significantly.
    """
    subjects = range(len(different))
    groups = [frozenset(subjects)] if subjects else []
    for subject in subjects:
        rivals = frozenset(other for other in subjects if different[subject, other])
        split: list[frozenset[int]] = []
        for group in groups:
            split += [group - rivals, group - {subject}] if subject in group and group & rivals else [group]
        groups = _absorb(split)
    groups.sort(key=sorted)
    named = [(letter_name(index), group) for index, group in enumerate(groups)]
    return [tuple(name for name, group in named if subject in group) for subject in subjects]


def letter_name(index: int) -> str:
    """a, b, ..., z, a1, b1, ..., z1, a2, ..."""
    round_, letter = divmod(index, len(ALPHABET))
    return ALPHABET[letter] + (str(round_) if round_ else "")


def _absorb(groups: list[frozenset[int]]) -> list[frozenset[int]]:
    """The groups that no other group holds."""
    kept: list[frozenset[int]] = []
    for group in sorted(set(groups), key=len, reverse=True):
        if not any(group <= other for other in kept):
            kept.append(group)
    return kept
