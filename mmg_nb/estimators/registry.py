"""Name -> estimator. Listing names and fields imports no torch."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from mmg_nb.errors import MMGError
from mmg_nb.estimators.base import Estimator
from mmg_nb.fields import check_fields, closest, from_fields

__all__ = ["build", "estimator_class", "names"]

_HOMES = {
    "mmg": "mmg_nb.estimators.mmg.fields:MMG",
    "published": "mmg_nb.estimators.published.fields:PublishedMMG",
    "minde": "mmg_nb.estimators.minde.fields:MINDE",
    "gcmi": "mmg_nb.estimators.gaussian.gcmi:GCMI",
    "cca": "mmg_nb.estimators.gaussian.cca:CCA",
    "ksg": "mmg_nb.estimators.neighbours.ksg:KSG",
    "infonce": "mmg_nb.estimators.critics.bounds:InfoNCE",
    "mine": "mmg_nb.estimators.critics.bounds:MINE",
    "dv": "mmg_nb.estimators.critics.bounds:DV",
    "nwj": "mmg_nb.estimators.critics.bounds:NWJ",
    "smile": "mmg_nb.estimators.critics.bounds:SMILE",
    "dime": "mmg_nb.estimators.critics.bounds:DIME",
    "doe": "mmg_nb.estimators.critics.doe:DoE",
}


def names() -> tuple[str, ...]:
    """Names of all estimators."""
    return tuple(_HOMES)


def estimator_class(name: str) -> type:
    """The dataclass behind a name.

    Args:
        name: Name in the registry.

    Returns:
        The estimator's class; its fields are its parameters.

    Raises:
        MMGError: There is no such estimator.
    """
    if not isinstance(name, str) or name not in _HOMES:
        what = f"There is no estimator {name!r:.80}."
        hint = closest(name, _HOMES) if isinstance(name, str) else "Give its name as a text. "
        raise MMGError(what, hint + "Estimators: " + ", ".join(_HOMES) + ".")
    module, _, attribute = _HOMES[name].partition(":")
    owner: type = getattr(importlib.import_module(module), attribute)
    return owner


def build(name: str, fields: Mapping[str, Any]) -> Estimator:
    """Make an estimator from its name and fields.

    Args:
        name: Name in the registry.
        fields: Field names and values.

    Returns:
        The estimator, its fields checked.

    Raises:
        MMGError: The name, a field or a value is not known.
    """
    chosen: Estimator = from_fields(estimator_class(name), fields)
    check_fields(chosen)
    return chosen
