"""From answers to the trade-off: arrays in, numbers out. No model, no dictionary.

d = (1 - right) / (1 - chance) for a question that the model as it is answers right: 0 where the answer stays, and 1 on
average where answers are as good as drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

BUDGETS = tuple(round(0.01 * step, 2) for step in range(1, 21))
"""Shares of the retained ability that may be lost."""
REPORTED = 0.05
"""The budget at which single numbers are shown."""


def damage(right: NDArray[np.bool_], chance: FloatArray) -> FloatArray:
    """d of each question, `[..., q]`."""
    return np.asarray((1 - right.astype(np.float64)) / (1 - chance))


@dataclass(frozen=True)
class Tried:
    """What configurations did: d `[configurations, questions]` of known questions, by side and half.

    Test columns of configurations that no budget chooses may hold NaN: they are never asked.
    """

    forget_validation: FloatArray
    retain_validation: FloatArray
    forget_test: FloatArray
    retain_test: FloatArray

    def chosen(self) -> list[int]:
        """For each budget the configuration that forgets most on validation questions and loses no more than the budget
        there; of equals the one that loses less, then the first. Number 0, which does nothing, is always among them."""
        return choose(self.forget_validation, self.retain_validation)

    def at(self, budget: float) -> tuple[FloatArray, FloatArray]:
        """d of the forgotten and the retained test questions at one budget."""
        number = self.chosen()[BUDGETS.index(budget)]
        return self.forget_test[number], self.retain_test[number]

    def averaged(self) -> tuple[FloatArray, FloatArray]:
        """d of the forgotten and the retained test questions, mean over budgets."""
        numbers = self.chosen()
        return self.forget_test[numbers].mean(0), self.retain_test[numbers].mean(0)

    def points(self, configurations: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The curve: what each budget chose, what that promised and what it did."""
        made = []
        for budget, number in zip(BUDGETS, self.chosen(), strict=True):
            made.append(
                {
                    "budget": budget,
                    "configuration": configurations[number],
                    "forgotten_validation": float(self.forget_validation[number].mean()),
                    "lost_validation": float(self.retain_validation[number].mean()),
                    "forgotten": float(self.forget_test[number].mean()),
                    "lost": float(self.retain_test[number].mean()),
                }
            )
        return made


def choose(forgotten: FloatArray, lost: FloatArray) -> list[int]:
    """The configuration of each budget, from d `[configurations, questions]` of validation questions."""
    gain, price = forgotten.mean(1), lost.mean(1)
    return [
        int(min(np.flatnonzero(price <= budget), key=lambda one: (-gain[one], price[one], one))) for budget in BUDGETS
    ]


def area_columns(forgotten: FloatArray, lost: FloatArray) -> FloatArray:
    """What each test question adds to the area, forgotten ones first, so that the mean of the column is the area."""
    n = len(forgotten) + len(lost)
    return np.concatenate([forgotten * n / len(forgotten), -lost * n / len(lost)])
