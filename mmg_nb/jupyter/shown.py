"""A result that the live view has shown is not shown again as the value of its cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from mmg_nb.questions.comparison import Comparison
    from mmg_nb.results.result import MIResult

    Result: TypeAlias = MIResult | Comparison

__all__ = ["ShownResults"]

KINDS = (("mmg_nb.results.result", "MIResult"), ("mmg_nb.questions.comparison", "Comparison"))


class ShownResults:
    """Remembers the result shown last, until its cell ends.

    `%mmg estimate x y` returns its result, so that `res = %mmg …`, `_` and `Out` have it, and
    shows it in place of the live view; the display hook would show it a second time.

    Args:
        shell: The shell whose display is taught.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._result: Result | None = None

    def install(self) -> None:
        """Hook into the shell."""
        for module, name in KINDS:
            self._formatter.for_type_by_name(module, name, self._skip)
        self._shell.events.register("post_run_cell", self._forget)

    def uninstall(self) -> None:
        """Leave the shell as it was."""
        for module, name in KINDS:
            self._formatter.pop(f"{module}.{name}", None)
        self._shell.events.unregister("post_run_cell", self._forget)

    def mark(self, result: Result) -> None:
        """Skip the next display of this result in this cell."""
        self._result = result

    @property
    def _formatter(self) -> Any:
        formatter = self._shell.display_formatter
        assert formatter is not None
        return formatter.ipython_display_formatter

    def _skip(self, result: Result) -> None:
        if result is not self._result:
            raise NotImplementedError  # tells IPython to display it in the usual way
        self._result = None

    def _forget(self, *_: Any) -> None:
        self._result = None
