"""Display each result once. A cell does not display again what its live view has shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from mmg_nb.questions.answer import Answer
    from mmg_nb.questions.comparison import Comparison
    from mmg_nb.questions.dependency_map import DependencyMap
    from mmg_nb.results.result import MIResult

    Result: TypeAlias = MIResult | Comparison | Answer

__all__ = ["ShownResults"]

IN_UNITS = (
    ("mmg_nb.results.result", "MIResult"),
    ("mmg_nb.questions.comparison", "Comparison"),
    ("mmg_nb.questions.ranking", "Ranking"),
    ("mmg_nb.questions.lag_profile", "LagProfile"),
    ("mmg_nb.questions.total_correlation", "TotalCorrelation"),
    ("mmg_nb.questions.transfer", "TransferEntropy"),
    ("mmg_nb.questions.independence", "IndependenceTest"),
    ("mmg_nb.questions.dependency_map", "DependencyMap"),
)
KINDS = IN_UNITS[:-1]  # those that magics with a live view return


class ShownResults:
    """Stores the result that was displayed last, until its cell ends.

    `%mmg estimate x y` displays its result in place of the live view. It also returns the result,
    for `res = %mmg …`, `_` and `Out`. The display hook would then display it a second time.

    Args:
        shell: The shell whose display hook is changed.
        unit: Returns the unit in which results are displayed.
    """

    def __init__(self, shell: InteractiveShell, unit: Callable[[], str]) -> None:
        self._shell = shell
        self._unit = unit
        self._result: Result | None = None

    def install(self) -> None:
        """Change the display hook of the shell."""
        for module, name in KINDS:
            self._formatter.for_type_by_name(module, name, self._skip)
        for module, name in IN_UNITS:
            self._bundles.for_type_by_name(module, name, self._in_unit)
        self._shell.events.register("post_run_cell", self._forget)

    def uninstall(self) -> None:
        """Restore the display hook of the shell."""
        for module, name in KINDS:
            self._formatter.pop(f"{module}.{name}", None)
        for module, name in IN_UNITS:
            self._bundles.pop(f"{module}.{name}", None)
        self._shell.events.unregister("post_run_cell", self._forget)

    def mark(self, result: Result) -> None:
        """Skip the next display of this result in this cell."""
        self._result = result

    def _in_unit(self, result: Result | DependencyMap, **_: Any) -> Any:
        return result.bundle(self._unit())

    @property
    def _bundles(self) -> Any:
        formatter = self._shell.display_formatter
        assert formatter is not None
        return formatter.mimebundle_formatter

    @property
    def _formatter(self) -> Any:
        formatter = self._shell.display_formatter
        assert formatter is not None
        return formatter.ipython_display_formatter

    def _skip(self, result: Result) -> None:
        if result is not self._result:
            raise NotImplementedError  # IPython then displays it as usual
        self._result = None

    def _forget(self, *_: Any) -> None:
        self._result = None
