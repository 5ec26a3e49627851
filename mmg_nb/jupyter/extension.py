"""What `%load_ext mmg_nb` adds to the shell and `%unload_ext mmg_nb` removes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmg_nb.jupyter.magics import MMG

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["load", "unload"]


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
