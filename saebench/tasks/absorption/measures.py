"""Absorption of a letter on its words: the published formulas, as pure functions of projections.

Notation for one letter and one word: p the unit direction of the letter's probe, a = <p, x> with x the activation,
s_j = f_j <atom_j, p> what latent j adds to it, main the latents that stand for the letter, M = sum of their s_j.
Absorbers: latents outside main with cos(atom_j, p) >= .1 and s_j > 0, the 3 with the largest s_j; P = sum of their s_j.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

SHARE = 0.4
"""Share of a that absorbers must carry to count."""
ABSORBER_COSINE = 0.1
ABSORBERS = 3
FULL_COSINE = 0.025
SILENT = 1e-8
"""A latent whose code is smaller than this is silent."""


@dataclass(frozen=True, eq=False)
class WordScores:
    """What becomes of each word of a letter; every field `[n]`.

    `absorbed`, `missing`, `partial` and `present` are bool and exclude each other; one of them is true.

    Attributes:
        fraction_2024: sae-bench 0.3.2, the values published with SAEBench: (S - M) / S with S the sum of all s_j,
            clipped to [0, 1]; 0 if M >= a or S <= 0.
        fraction_2026: sae-bench 0.6.0: 0 if M >= a or P / a < .4; 1 if M <= 0; else q / (q + M) with q = min(P, a - M).
        full: all main latents are silent, and the latent with the largest s_j has cosine >= .025 and s_j / a >= .4.
        absorbed: P / a >= .4.
        missing: P / a < .4, and all main latents are silent.
        partial: P / a < .4, a main latent is active, and M / a < .4.
        present: P / a < .4, and M / a >= .4.
        absorbers: int64 `[n, 3]`, the largest first, -1 where there are fewer.
    """

    fraction_2024: Array
    fraction_2026: Array
    full: Array
    absorbed: Array
    missing: Array
    partial: Array
    present: Array
    absorbers: Array


def score_words(a: Array, s: Array, silent: Array, cosines: Array, main: Sequence[int]) -> WordScores:
    """Score the words of one letter.

    Where a <= 0 there is no projection to account for: shares of it are taken as below .4.

    Args:
        a: float64 `[n]`.
        s: float64 `[n, d_dict]`.
        silent: bool `[n, d_dict]`, codes smaller than 1e-8.
        cosines: float64 `[d_dict]`, of atoms with p; 0 for an atom of length 0.
        main: latents that stand for the letter, at least one.
    """
    chosen = np.array(main, dtype=np.int64)
    m, total = s[:, chosen].sum(1), s.sum(1)
    quiet = silent[:, chosen].all(1)

    others = np.ones(s.shape[1], dtype=bool)
    others[chosen] = False
    eligible = np.where(others & (np.abs(cosines) >= ABSORBER_COSINE) & (s > 0), s, 0.0)
    order = np.argsort(-eligible, axis=1, kind="stable")[:, :ABSORBERS]
    carried = np.take_along_axis(eligible, order, axis=1)
    p = carried.sum(1)
    absorbers = np.full((len(a), ABSORBERS), -1)
    absorbers[:, : order.shape[1]] = np.where(carried > 0, order, -1)

    fraction_2024 = np.where((m >= a) | (total <= 0), 0.0, np.clip(1 - m / np.where(total > 0, total, 1.0), 0, 1))
    absorbed = (a > 0) & (p >= SHARE * a)
    q = np.minimum(p, a - m)
    shared = q / np.where(q + m > 0, q + m, 1.0)
    fraction_2026 = np.where(absorbed & (m < a), np.where(m <= 0, 1.0, np.clip(shared, 0, 1)), 0.0)

    top = s.argmax(1)
    top_s = s.max(1)
    full = quiet & (np.abs(cosines[top]) >= FULL_COSINE) & (a >= 0) & (top_s > 0) & (top_s >= SHARE * a)
    missing = ~absorbed & quiet
    present = ~absorbed & ~quiet & (a > 0) & (m >= SHARE * a)
    partial = ~absorbed & ~quiet & ~present
    return WordScores(fraction_2024, fraction_2026, full, absorbed, missing, partial, present, absorbers)
