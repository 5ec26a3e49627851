"""What `%load_ext mmg_nb` adds to the shell and `%unload_ext mmg_nb` removes."""

from __future__ import annotations

import importlib
import threading
from typing import TYPE_CHECKING, Any

from mmg_nb.jupyter.magics import MMG

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["load", "unload"]

FIRST_NEEDED = (
    "mmg_nb.estimators.gaussian.first_estimate",
    "mmg_nb.estimators.mmg.noised",
    "scipy.fft",
    "mmg_nb.estimators.mmg.fields",
    "mmg_nb.jupyter.live",
)
"""Modules of the first estimate that load scipy and widgets, 0.3 s of computing time or more."""


def load(shell: InteractiveShell) -> None:
    """Add `%mmg` to a shell, unless it is already there.

    Args:
        shell: The shell.
    """
    if not isinstance(shell.magics_manager.registry.get("MMG"), MMG):
        magics = MMG(shell)
        shell.register_magics(magics)
        magics.shown.install()
        magics.completion.install()
        if getattr(shell, "kernel", None) is not None:  # a page, whose reader types meanwhile
            threading.Thread(target=_prepare, name="mmg-prepare", daemon=True).start()


def _prepare() -> None:
    """Load what the first estimate would else load before it shows anything."""
    for name in FIRST_NEEDED:
        importlib.import_module(name)


def unload(shell: InteractiveShell) -> None:
    """Remove everything that `load` added.

    Args:
        shell: The shell.
    """
    magics = shell.magics_manager.registry.pop("MMG", None)
    if isinstance(magics, MMG):
        magics.runs.stop_all()
        magics.latest_view.close()
        magics.completion.uninstall()
        magics.shown.uninstall()
        configurables: list[Any] = shell.configurables
        configurables.remove(magics)
        for kind in ("line", "cell"):
            shell.magics_manager.magics[kind].pop("mmg", None)
