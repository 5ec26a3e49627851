"""Name -> estimator. Listing names and fields imports no torch."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterable, Mapping
from functools import cache, partial
from operator import attrgetter
from typing import Any, TypeVar

from mmg_nb.errors import MMGError, brief, closest, cut, listed
from mmg_nb.estimators.base import Estimator
from mmg_nb.fields import check_fields, field_infos, from_fields

__all__ = [
    "GROUP",
    "build",
    "check_class",
    "check_is_no_data",
    "estimator_class",
    "imported",
    "names",
    "register",
    "registered",
]

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
    check_class(owner)
    name = owner.name
    if name in _HOMES:
        raise MMGError(f"The name {name!r} belongs to a built-in estimator.", "Choose another.")
    _REGISTERED[name] = owner
    return owner


def registered(name: str) -> type[Estimator] | None:
    """The class that was registered in this process under a name, or None."""
    return _REGISTERED.get(name)


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
    if not isinstance(name, str) or name not in names():
        check_is_no_data(name, "estimator")
        what = f"There is no estimator {brief(name)}."
        hint = closest(name, names()) if isinstance(name, str) else "Give its name as a text. "
        if isinstance(name, type) and issubclass(name, Estimator):
            hint = f"Give an instance: {name.__name__}(). "
        raise MMGError(what, hint + f"Estimators: {listed(names())}.")
    if name in _REGISTERED:
        return _REGISTERED[name]
    return imported(_HOMES[name]) if name in _HOMES else _outside(name)


def check_is_no_data(value: Any, name: str) -> None:
    """Refuse data in the place of an estimator, as in `estimate(x, y, z)`.

    Raises:
        MMGError: The value has rows.
    """
    if hasattr(value, "shape") or hasattr(value, "data_vars"):
        kind = cut(type(value).__name__, 40)
        what = f"The third argument is {name}, the name of a method; got data ({kind})."
        raise MMGError(what, "Pass a condition by name: given=z. Pass groups of rows as groups=g.")


def build(
    estimator: str | Estimator, fields: Mapping[str, Any], besides: Iterable[str] = ()
) -> Estimator:
    """Make an estimator from its name and fields, or check one that is made.

    Args:
        estimator: Name in the registry, or an estimator.
        fields: Field names and values; they replace those of an estimator.
        besides: Other names that the caller takes, see `from_fields`.

    Returns:
        The estimator, its fields checked.

    Raises:
        MMGError: The name, a field or a value is not known.
    """
    if isinstance(estimator, Estimator):
        owner = type(estimator)
        check_class(owner)
        own = {info.name: getattr(estimator, info.name) for info in field_infos(owner)}
        fields = {**own, **fields}
    else:
        owner = estimator_class(estimator)
    chosen: Estimator = from_fields(owner, fields, besides, partial(_meant, owner.name))
    check_fields(chosen)
    return chosen


def _meant(used: str, name: str) -> str:
    """Another estimator that has a field of this name, in a sentence; empty if none has."""
    others = [imported(home) for home in _HOMES.values()] + [*_REGISTERED.values()]
    having = (each.name for each in others if name in [f.name for f in field_infos(each)])
    other = next(having, "")
    return f"The estimator here is {used!r}. For {name}, try estimator={other!r}." if other else ""


@cache
def _installed() -> dict[str, str]:
    """Estimators of packages that are installed, name -> `module:class`."""
    # Imported here because loading the extension must take no time for it.
    from importlib.metadata import entry_points

    found = entry_points(group=GROUP)
    return {each.name: each.value for each in found if each.name not in _HOMES}


def imported(home: str) -> type[Estimator]:
    """The class at `module:class`.

    Raises:
        ImportError: There is no such module.
        AttributeError: There is no such class in it.
    """
    module, _, attribute = home.partition(":")
    owner: type[Estimator] = attrgetter(attribute)(importlib.import_module(module))
    return owner


def _outside(name: str) -> type[Estimator]:
    """An estimator of another package.

    Raises:
        MMGError: It cannot be imported, or it is no estimator.
    """
    home = _installed()[name]
    try:
        owner = imported(home)
    except (ImportError, AttributeError) as error:
        what = f"The estimator {name!r} of an installed package cannot be loaded: {error}."
        remedy = f"Update or remove that package; its entry point is {name} = {home!r}."
        raise MMGError(what, remedy) from error
    check_class(owner)
    return owner


def check_class(owner: Any) -> None:
    """Refuse what is no estimator.

    Args:
        owner: What is to be an estimator's class.

    Raises:
        MMGError: Says what is missing.
    """
    shown = getattr(owner, "__name__", repr(owner))
    made = "class Mine(mmg_nb.Estimator) under @dataclass(frozen=True, kw_only=True)"
    if not (isinstance(owner, type) and issubclass(owner, Estimator)):
        raise MMGError(f"{shown} is no subclass of mmg_nb.Estimator.", f"Write {made}.")
    if owner.estimate is Estimator.estimate:
        raise MMGError(f"{shown} has no method estimate.", "Write estimate(self, pairs, run).")
    name = getattr(owner, "name", None)
    if not isinstance(name, str):
        remedy = 'Write name: ClassVar[str] = "my_method" in its body.'
        raise MMGError(f"{shown} has no name.", remedy)
    if not name.isidentifier():
        remedy = "Use letters, digits and _ only, because %mmg lines contain the name."
        raise MMGError(f"{brief(name)} cannot be the name of an estimator.", remedy)
    if not _is_frozen(owner):
        raise MMGError(f"{shown} is no frozen dataclass.", f"Write {made}.")
    _check_fields_of(owner)


def _check_fields_of(owner: Any) -> None:
    """Refuse fields that have no help, or that no flag can hold."""
    for each in dataclasses.fields(owner):
        if each.init and "help" not in each.metadata:
            what = f"Field {each.name} of {owner.__name__} has no help."
            raise MMGError(what, f'Write {each.name} = mmg_nb.field(default, "what it means").')
    for info in field_infos(owner):
        if info.kind not in (int, float, str, bool):
            what = f"Field {info.name} of {owner.__name__} is of the kind {info.kind!r}."
            raise MMGError(what, "Annotate it as int, float, str or bool, alone or with | None.")


def _is_frozen(owner: Any) -> bool:
    """Whether a class, not only what it inherits from, is a frozen dataclass."""
    return "__dataclass_params__" in vars(owner) and bool(owner.__dataclass_params__.frozen)
