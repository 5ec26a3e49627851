"""Default settings of a session: one description for traits, flags and the table."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import traitlets
from IPython.core.magic import Magics

from mmg_nb.api import check_seed
from mmg_nb.errors import MMGError, brief, one_of
from mmg_nb.estimators.registry import names
from mmg_nb.fields import FieldInfo, field, field_infos, parse
from mmg_nb.jupyter.tokens import unquoted
from mmg_nb.results.facts import UNITS
from mmg_nb.runs.device_names import check_device

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["SETTING_INFOS", "SessionSettings", "Settings", "setting_infos"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of all calls; an option of a call overrides them."""

    estimator: str = field("mmg", "estimator to use")
    seed: int = field(0, "seed of all random numbers", low=0, check=check_seed)
    device: str = field(
        "auto", "device to compute on: auto, cpu, cuda or cuda:<index>", check=check_device
    )
    live: str = field(
        "auto",
        "how progress is shown; auto: widget if possible, else card (plain HTML), else text",
        choices=("auto", "widget", "card", "text", "none"),
    )
    unit: str = field("nats", "unit of results in this session", choices=tuple(UNITS))
    traceback: bool = field(False, "show full tracebacks of error messages")


SETTING_INFOS = {info.name: info for info in field_infos(Settings)}
"""The settings by name, without the choices of `estimator`: loading must not look them up."""


def setting_infos() -> dict[str, FieldInfo]:
    """The settings by name. The choices of `estimator` are the registered estimators."""
    return {**SETTING_INFOS, "estimator": replace(SETTING_INFOS["estimator"], choices=names())}


def _trait(name: str) -> Any:
    """The configurable trait of a setting, for `%config MMG` and `ipython_config.py`."""
    info = SETTING_INFOS[name]
    kinds = {int: traitlets.Int, bool: traitlets.Bool, str: traitlets.Unicode}
    if info.choices:
        made: Any = traitlets.Enum(info.choices, default_value=info.default, help=info.help)
    else:
        limits = {} if info.low is None else {"min": info.low}
        made = kinds[info.kind](info.default, help=info.help, **limits)
    return made.tag(config=True)


class SessionSettings(Magics):
    """The current settings, and the origin of each value."""

    estimator = _trait("estimator")
    seed = _trait("seed")
    device = _trait("device")
    live = _trait("live")
    unit = _trait("unit")
    traceback = _trait("traceback")

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        given = self.config.get("MMG", {})
        self._origins = {
            name: "IPython config" if name in given else "default" for name in SETTING_INFOS
        }
        self.observe(self._note, list(self._origins))

    @traitlets.validate("estimator")
    def _is_known(self, proposal: dict[str, Any]) -> str:
        name: str = proposal["value"]
        if name not in names():
            raise traitlets.TraitError(f"estimator must be one of {', '.join(names())}")
        return name

    @traitlets.validate("device", "seed")
    def _is_allowed(self, proposal: dict[str, Any]) -> Any:
        check = {"device": check_device, "seed": check_seed}[proposal["trait"].name]
        try:
            check(proposal["value"])
        except MMGError as error:
            raise traitlets.TraitError(error.what) from error
        return proposal["value"]

    def _note(self, change: dict[str, Any]) -> None:
        self._origins[change["name"]] = "%config"

    def in_force(self) -> dict[str, Any]:
        """Name -> current value."""
        return {name: getattr(self, name) for name in self._origins}

    def change(self, name: str, text: str) -> None:
        """Change a setting.

        Args:
            name: Name of the setting.
            text: The new value, as the user wrote it.

        Raises:
            MMGError: The setting does not exist, or the value is not allowed.
        """
        if name not in SETTING_INFOS:
            what = f"There is no setting {brief(name)}."
            raise MMGError(what, one_of(name, SETTING_INFOS, "Settings"))
        setattr(self, name, parse(setting_infos()[name], text))
        self._origins[name] = "%mmg config"

    def change_all(self, text: str) -> None:
        """Change settings one after the other.

        Args:
            text: Settings as the user wrote them, e.g. `seed=1 device=cpu`.

        Raises:
            MMGError: As for `change`; or a value is missing, or a setting is given twice.
        """
        changed: set[str] = set()
        for pair in re.sub(r"\s*=\s*", "=", text).split():
            name, equals, value = pair.partition("=")
            if not equals:
                raise MMGError(f"Expected key=value; got {pair!r}.", "Try %mmg config seed=1.")
            if name in changed:
                raise MMGError(f"{name} is given twice.", "Leave one of them out.")
            changed.add(name)
            self.change(name, unquoted(value))

    def table(self) -> str:
        """Every setting with its value, origin and meaning."""
        lines = [
            f"{info.name:<10} {getattr(self, info.name)!s:<8} {self._origins[info.name]:<18} "
            f"{info.help}"
            for info in SETTING_INFOS.values()
        ]
        return "\n".join([f"{'setting':<10} {'value':<8} {'from':<18} meaning", *lines])
