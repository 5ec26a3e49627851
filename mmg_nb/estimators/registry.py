"""Name -> estimator. Listing names and fields imports no torch."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any, TypeVar, cast

from mmg_nb.errors import MMGError
from mmg_nb.estimators.base import Estimator
from mmg_nb.fields import check_fields, closest, field_infos, from_fields

__all__ = ["GROUP", "build", "estimator_class", "names", "register"]

GROUP = "mmg_nb.estimators"  # of entry points, by which packages that are installed add estimators

_HOMES = {
    "mmg": "mmg_nb.estimators.mmg.fields:MMG",
    "mmg_images": "mmg_nb.estimators.mmg_images.fields:MMGImages",
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
_REGISTERED: dict[str, type[Estimator]] = {}

E = TypeVar("E", bound=type[Estimator])


def register(owner: E) -> E:
    """Make an estimator known by its name: to `estimate`, magics, panel, compare and sweeps.

    May be used as a decorator. To register again, as when a cell is run again, replaces the class.
    A package adds its estimators without a call by an entry point in the group
    `mmg_nb.estimators`.

    Args:
        owner: The class, see `mmg_nb.Estimator`.

    Returns:
        The class.

    Raises:
        MMGError: It is no estimator, or its name is that of a built-in one.
    """
    _check_class(owner)
    name = owner.name
    if name in _HOMES:
        raise MMGError(f"The name {name!r} belongs to a built-in estimator.", "Choose another.")
    _REGISTERED[name] = owner
    return owner


def names() -> tuple[str, ...]:
    """Names of all estimators: built-in ones, those of other packages, those registered."""
    return tuple({**_HOMES, **_installed(), **_REGISTERED})


def estimator_class(name: Any) -> type[Estimator]:
    """The dataclass behind a name.

    Args:
        name: Name in the registry.

    Returns:
        The estimator's class; its fields are its parameters.

    Raises:
        MMGError: There is no such estimator.
    """
    if isinstance(name, str) and name in _REGISTERED:
        return _REGISTERED[name]
    homes = {**_HOMES, **_installed()}
    if not isinstance(name, str) or name not in homes:
        what = f"There is no estimator {name!r:.80}."
        hint = closest(name, names()) if isinstance(name, str) else "Give its name as a text. "
        raise MMGError(what, hint + "Estimators: " + ", ".join(names()) + ".")
    module, _, attribute = homes[name].partition(":")
    owner: type[Estimator] = getattr(importlib.import_module(module), attribute)
    return owner


def build(estimator: str | Estimator, fields: Mapping[str, Any]) -> Estimator:
    """Make an estimator from its name and fields, or check one that is made.

    Args:
        estimator: Name in the registry, or an estimator.
        fields: Field names and values; they replace those of an estimator.

    Returns:
        The estimator, its fields checked.

    Raises:
        MMGError: The name, a field or a value is not known.
    """
    if hasattr(estimator, "estimate") and not isinstance(estimator, type):
        owner = cast(type[Estimator], type(estimator))
        _check_class(owner)
        own = {info.name: getattr(estimator, info.name) for info in field_infos(owner)}
        fields = {**own, **fields}
    else:
        owner = estimator_class(estimator)
    chosen: Estimator = from_fields(owner, fields)
    check_fields(chosen)
    return chosen


@cache
def _installed() -> dict[str, str]:
    """Estimators of packages that are installed, name -> `module:class`."""
    found = entry_points(group=GROUP)
    return {each.name: each.value for each in found if each.name not in _HOMES}


def _check_class(owner: Any) -> None:
    """Refuse what is no estimator.

    Raises:
        MMGError: Says what is missing.
    """
    shown = getattr(owner, "__name__", repr(owner))
    made = "class Mine(mmg_nb.Estimator) under @dataclass(frozen=True, kw_only=True)"
    if not isinstance(owner, type) or not callable(getattr(owner, "estimate", None)):
        raise MMGError(f"{shown} is no class with a method estimate.", f"Write {made}.")
    if not isinstance(getattr(owner, "name", None), str):
        raise MMGError(f"{shown} has no name.", 'Write name: ClassVar[str] = "mine" in its body.')
    frozen = dataclasses.is_dataclass(owner) and owner.__dataclass_params__.frozen  # type: ignore[attr-defined]
    if not frozen:
        raise MMGError(f"{shown} is no frozen dataclass.", f"Write {made}.")
    for each in dataclasses.fields(owner):
        if each.init and "help" not in each.metadata:
            what = f"Field {each.name} of {shown} has no help."
            raise MMGError(what, f'Write {each.name} = mmg_nb.field(default, "what it means").')
