"""The choices of a panel's form, filled in from Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmg_nb.errors import MMGError, brief, one_of
from mmg_nb.estimators.registry import estimator_class
from mmg_nb.fields import FieldInfo, check_fields, field_infos, from_fields, parse
from mmg_nb.jupyter.form import ROLES, SETTINGS, as_text, general_infos, read_beside

__all__ = ["filled_in"]


def filled_in(chosen: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in a form.

    Args:
        chosen: The choices so far: roles, settings, fields, estimator, beside.
        values: New choices by name; see `Panel.choose`.

    Returns:
        All choices. Fields of another estimator than before are left out.

    Raises:
        MMGError: A choice does not exist, or a value is not allowed.
    """
    left = dict(values)
    parts = {name: dict(chosen[name]) for name in ("roles", "settings", "fields")}
    before = chosen.get("estimator", "mmg")
    estimator = left.pop("estimator", before)
    infos = {info.name: info for info in field_infos(estimator_class(estimator))}
    if estimator != before:
        parts["fields"] = {}
    beside = _names(left.pop("beside", chosen.get("beside", ())))
    for role in ROLES:
        if role.name in left:
            text = left.pop(role.name)
            parts["roles"][role.name] = {"expression": _checked_text(role.name, text)}
    for name in SETTINGS:
        if name in left:
            parts["settings"][name] = _checked(general_infos()[name], left.pop(name))
    _check_known(left, infos)
    check_fields(from_fields(estimator_class(estimator), left))
    parts["fields"] |= {name: as_text(value) for name, value in left.items()}
    others = read_beside(beside, estimator)
    return {**parts, "estimator": estimator, "beside": list(others)}


def _names(asked: Any) -> list[str]:
    """Names from a text with commas or from a list; empty for None."""
    parts = asked.split(",") if isinstance(asked, str) else asked or ()
    if not isinstance(parts, (list, tuple)):
        what = f"beside must be names of estimators; got {type(asked).__name__}."
        raise MMGError(what, "Try panel.choose(beside='gcmi,ksg').")
    return [str(part).strip() for part in parts if str(part).strip()]


def _checked_text(name: str, text: Any) -> str:
    if isinstance(text, str):
        return text
    what = f"{name} must be the name of a variable, as a string; got {type(text).__name__}."
    raise MMGError(what, f"Try panel.choose({name}='data').")


def _checked(info: FieldInfo, value: Any) -> str:
    parse(info, as_text(value))
    return as_text(value)


def _check_known(values: Mapping[str, Any], infos: Mapping[str, FieldInfo]) -> None:
    for name in values:
        if name not in infos:
            known = [role.name for role in ROLES] + ["estimator", "beside", *SETTINGS, *infos]
            what = f"The panel has no choice {brief(name)}."
            raise MMGError(what, one_of(name, known, "Choices"))
