"""Mutual information with diffusion denoisers, inside the notebook.

`mmg_nb.estimate(x, y)` estimates mutual information; `%load_ext mmg_nb` adds the `%mmg` magic.
Nothing heavy is imported before it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from mmg_nb import sklearn, testing
    from mmg_nb.api import estimate, resume
    from mmg_nb.data.cycles import cyclic
    from mmg_nb.data.description import Description, describe
    from mmg_nb.errors import MMGError
    from mmg_nb.estimators.base import Estimator
    from mmg_nb.estimators.registry import register
    from mmg_nb.fields import field
    from mmg_nb.jupyter.background import start, start_from
    from mmg_nb.jupyter.explore import explore
    from mmg_nb.jupyter.handle import Run
    from mmg_nb.jupyter.panel import panel
    from mmg_nb.questions.compare import compare
    from mmg_nb.questions.comparison import Comparison
    from mmg_nb.questions.dependency_map import DependencyMap, dependency_map
    from mmg_nb.questions.independence import IndependenceTest, independence_test
    from mmg_nb.questions.lag_profile import LagProfile
    from mmg_nb.questions.lagged import lagged
    from mmg_nb.questions.rank import rank
    from mmg_nb.questions.ranking import Ranking
    from mmg_nb.questions.total_correlation import TotalCorrelation, total_correlation
    from mmg_nb.questions.transfer import TransferEntropy
    from mmg_nb.questions.transfer_entropy import transfer_entropy
    from mmg_nb.results.curves import MMSECurve
    from mmg_nb.results.finding import Estimate, Finding
    from mmg_nb.results.result import MIResult
    from mmg_nb.results.status import Status
    from mmg_nb.runs.context import RunContext
    from mmg_nb.runs.events import RunState

__all__ = [
    "Comparison",
    "DependencyMap",
    "Description",
    "Estimate",
    "Estimator",
    "Finding",
    "IndependenceTest",
    "LagProfile",
    "MIResult",
    "MMGError",
    "MMSECurve",
    "Ranking",
    "Run",
    "RunContext",
    "RunState",
    "Status",
    "TotalCorrelation",
    "TransferEntropy",
    "__version__",
    "compare",
    "cyclic",
    "dependency_map",
    "describe",
    "estimate",
    "explore",
    "field",
    "independence_test",
    "lagged",
    "load_ipython_extension",
    "panel",
    "rank",
    "register",
    "resume",
    "sklearn",
    "start",
    "start_from",
    "testing",
    "total_correlation",
    "transfer_entropy",
    "unload_ipython_extension",
]
__version__ = "0.1.0"

_HOMES = {
    "Comparison": "mmg_nb.questions.comparison",
    "compare": "mmg_nb.questions.compare",
    "DependencyMap": "mmg_nb.questions.dependency_map",
    "dependency_map": "mmg_nb.questions.dependency_map",
    "IndependenceTest": "mmg_nb.questions.independence",
    "independence_test": "mmg_nb.questions.independence",
    "TotalCorrelation": "mmg_nb.questions.total_correlation",
    "total_correlation": "mmg_nb.questions.total_correlation",
    "TransferEntropy": "mmg_nb.questions.transfer",
    "transfer_entropy": "mmg_nb.questions.transfer_entropy",
    "LagProfile": "mmg_nb.questions.lag_profile",
    "lagged": "mmg_nb.questions.lagged",
    "Ranking": "mmg_nb.questions.ranking",
    "rank": "mmg_nb.questions.rank",
    "cyclic": "mmg_nb.data.cycles",
    "Description": "mmg_nb.data.description",
    "describe": "mmg_nb.data.description",
    "Estimate": "mmg_nb.results.finding",
    "Estimator": "mmg_nb.estimators.base",
    "Finding": "mmg_nb.results.finding",
    "estimate": "mmg_nb.api",
    "explore": "mmg_nb.jupyter.explore",
    "field": "mmg_nb.fields",
    "MMGError": "mmg_nb.errors",
    "MIResult": "mmg_nb.results.result",
    "MMSECurve": "mmg_nb.results.curves",
    "Run": "mmg_nb.jupyter.handle",
    "RunContext": "mmg_nb.runs.context",
    "RunState": "mmg_nb.runs.events",
    "Status": "mmg_nb.results.status",
    "panel": "mmg_nb.jupyter.panel",
    "register": "mmg_nb.estimators.registry",
    "resume": "mmg_nb.api",
    "sklearn": "mmg_nb.sklearn",
    "start": "mmg_nb.jupyter.background",
    "start_from": "mmg_nb.jupyter.background",
    "testing": "mmg_nb.testing",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(_HOMES[name])
    return module if _HOMES[name] == f"{__name__}.{name}" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register `%mmg`; called by `%load_ext mmg_nb`."""
    from mmg_nb.jupyter import extension

    extension.load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Remove `%mmg`; called by `%unload_ext mmg_nb`."""
    from mmg_nb.jupyter import extension

    extension.unload(shell)
