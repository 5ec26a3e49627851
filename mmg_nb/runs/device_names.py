"""Which names of devices are valid. Checking them loads no torch."""

from __future__ import annotations

import re
from typing import Any

from mmg_nb.errors import MMGError, brief

__all__ = ["check_device"]

_VALID = re.compile(r"auto|(cpu|cuda)(:\d{1,3})?")


def check_device(name: Any) -> None:
    """Refuse what is no name of a device, whether or not such a device is there.

    Args:
        name: `auto`, `cpu`, `cuda` or `cuda:<index>`.

    Raises:
        MMGError: It is something else.
    """
    if not isinstance(name, str) or not _VALID.fullmatch(name):
        what = f"device must be auto, cpu, cuda or cuda:<index>; got {brief(name)}."
        raise MMGError(what, "Leave it out to use a GPU if there is one.")
