"""The shell of this session, and its settings."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["current_shell", "session_unit", "setting_of"]


def current_shell() -> Any:
    """The current IPython shell; None outside IPython. Does not import IPython."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def setting_of(shell: Any, name: str, default: Any) -> Any:
    """A setting of the session; the default if the extension is not loaded."""
    manager = getattr(shell, "magics_manager", None)
    magics = None if manager is None else manager.registry.get("MMG")
    return getattr(magics, name, default)


def session_unit() -> str:
    """The unit in which this session shows numbers, `nats` or `bits`."""
    return str(setting_of(current_shell(), "unit", "nats"))
