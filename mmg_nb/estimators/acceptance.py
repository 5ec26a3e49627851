"""What an estimator takes beside two vectors of numbers, and the one place that refuses."""

from __future__ import annotations

from collections.abc import Sequence

from mmg_nb.data.pairs import Pairs
from mmg_nb.errors import MMGError, listed
from mmg_nb.estimators.base import Estimator
from mmg_nb.estimators.registry import estimator_class, names

__all__ = ["FEATURES", "accepts", "check_acceptance", "estimators_that_accept"]

FEATURES = {
    "given": "estimates I(x; y) only, not I(x; y | z): it takes no given=",
    "discrete": "takes numbers only, and there are categories in {where}",
    "images": "takes rows of numbers, and there are images in {where}",
}
"""What an estimator may accept -> what is said of one that does not."""


def estimators_that_accept(feature: str) -> tuple[str, ...]:
    """Names of the estimators that accept something.

    Args:
        feature: One of `FEATURES`.

    Returns:
        Their names, in the order of the registry.
    """
    return tuple(n for n in names() if feature in estimator_class(n).accepts)


def accepts(estimator: Estimator, feature: str) -> bool:
    """Whether an estimator declares that it accepts one of `FEATURES`."""
    return feature in estimator.accepts


def check_acceptance(estimator: Estimator, pairs: Pairs) -> None:
    """Refuse data that an estimator has no method for.

    Args:
        estimator: The estimator; what it does not declare it does not accept.
        pairs: The data.

    Raises:
        MMGError: Says what the estimator lacks and which estimators have it.
    """
    missing = estimator.needs - set(_needed(pairs))
    if missing:
        what = f"{estimator.name} needs {' and '.join(sorted(missing))} in x or y."
        raise MMGError(what, "Use mmg, which takes rows of numbers and categories.")
    for feature, where in _needed(pairs).items():
        if not accepts(estimator, feature):
            able = listed(
                name
                for name in estimators_that_accept(feature)
                if estimator_class(name).needs <= set(_needed(pairs))
            )
            what = f"{estimator.name} {FEATURES[feature].format(where=where)}."
            one = where.split()[0]
            flat = f" Or flatten: {one}.reshape(len({one}), -1)." if feature == "images" else ""
            raise MMGError(what, f"These can: {able}.{flat}")


def _needed(pairs: Pairs) -> dict[str, str]:
    """What the data need, and where."""
    needed = {"given": "given"} if pairs.given is not None else {}
    columns = {"x": pairs.discrete_x, "y": pairs.discrete_y, "given": pairs.discrete_z}
    where = [
        f"{name} (column {listed(_labels(pairs, name, found), room=60)})"
        for name, found in columns.items()
        if found
    ]
    shapes = {"x": pairs.shape_x, "y": pairs.shape_y}
    images = [name for name, shape in shapes.items() if shape is not None]
    needed |= {"discrete": " and ".join(where)} if where else {}
    return needed | ({"images": " and ".join(images)} if images else {})


def _labels(pairs: Pairs, name: str, columns: Sequence[int]) -> list[str]:
    """The names of columns of a variable; their positions if it has none."""
    labels = pairs.texts.get(name, ())
    return [labels[i] if i < len(labels) else str(i) for i in columns]
