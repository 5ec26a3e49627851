"""What an estimator takes beside two vectors of numbers, and the one place that refuses."""

from __future__ import annotations

from mmg_nb.data import Pairs
from mmg_nb.errors import MMGError
from mmg_nb.estimators.base import Estimator
from mmg_nb.estimators.registry import estimator_class, names

__all__ = ["FEATURES", "check_acceptance", "estimators_that_accept"]

FEATURES = {
    "given": "estimates I(x; y) only, not I(x; y | z): it takes no given=",
}
"""What an estimator may accept -> what is said of one that does not."""


def estimators_that_accept(feature: str) -> tuple[str, ...]:
    """Names of the estimators that accept something.

    Args:
        feature: One of `FEATURES`.

    Returns:
        Their names, in the order of the registry.
    """
    return tuple(n for n in names() if feature in getattr(estimator_class(n), "accepts", ()))


def check_acceptance(estimator: Estimator, pairs: Pairs) -> None:
    """Refuse data that an estimator has no method for.

    Args:
        estimator: The estimator; what it does not declare it does not accept.
        pairs: The data.

    Raises:
        MMGError: Says what the estimator lacks and which estimators have it.
    """
    accepted: frozenset[str] = getattr(estimator, "accepts", frozenset())
    for feature in _needed(pairs):
        if feature not in accepted:
            able = ", ".join(estimators_that_accept(feature))
            raise MMGError(f"{estimator.name} {FEATURES[feature]}.", f"These can: {able}.")


def _needed(pairs: Pairs) -> tuple[str, ...]:
    return ("given",) if pairs.given is not None else ()
