"""A test of independence on rows that no network was trained on."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CLEAR", "HeldOutTest"]

CLEAR = 0.05  # p-value up to which a card says that there is dependence


@dataclass(frozen=True)
class HeldOutTest:
    """P-values of the evaluation folds, and the p-value that follows from them.

    The members that evaluate a fold are fixed, so other orders of its rows need no new training.
    Folds depend on each other, because each helped to train the members of the others. So the
    least p-value is multiplied by the number of folds (Bonferroni), which holds under any
    dependence.

    Attributes:
        folds: P-value of each fold.
        permutations: How many orders of the rows of each fold were compared.
        observed: The statistic of the data, in standard deviations of the orders.
        null: The statistic for some of the orders.
    """

    folds: tuple[float, ...]
    permutations: int
    observed: float
    null: tuple[float, ...]

    @property
    def p_value(self) -> float:
        """Probability of such a small p-value in any fold, at most, if x and y are independent."""
        return min(1.0, len(self.folds) * min(self.folds))

    @property
    def floor(self) -> float:
        """The least p-value that so many folds and orders can give."""
        return min(1.0, len(self.folds) / (self.permutations + 1))
