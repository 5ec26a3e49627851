"""What every estimator is: a frozen dataclass of fields with one method."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import ClassVar

from mmg_nb.data.pairs import Pairs
from mmg_nb.results.finding import Estimate, Finding
from mmg_nb.runs.context import RunContext

__all__ = ["Estimator", "TrainedEstimator"]


Method = Callable[[Pairs, RunContext], Estimate | Finding]


class Estimator:
    """A method of estimating mutual information; its fields are its parameters.

    A subclass is a dataclass, `@dataclass(frozen=True, kw_only=True)`, whose fields are made by
    `mmg_nb.field`. It sets `name` and writes `estimate`. `mmg_nb.register` makes it known by name.

    Attributes:
        name: Name in the registry.
        summary: What it is, in a line.
        accepts: What it takes beside two plain vectors, see `mmg_nb.estimators.acceptance`.
        needs: What the data must contain, in the same words as `accepts`.
        trains: Whether it takes training steps.
        resumable: Whether its training can be kept in a checkpoint and resumed.
    """

    name: ClassVar[str]
    summary: ClassVar[str] = ""
    accepts: ClassVar[frozenset[str]] = frozenset()
    needs: ClassVar[frozenset[str]] = frozenset()
    trains: ClassVar[bool] = False
    resumable: ClassVar[bool] = False

    def for_data(self, pairs: Pairs) -> Estimator:
        """The estimator that is taken for such data: this one, unless another suits them."""
        return self

    def denoises(self, pairs: Pairs) -> str:
        """The variable whose denoising errors the run shows, `x` or `y`; empty for none."""
        return ""

    def method_for(self, pairs: Pairs) -> Method:
        """What is called with the pairs and the run: `estimate`, unless it lives elsewhere."""
        return self.estimate

    def estimate(self, pairs: Pairs, run: RunContext) -> Estimate | Finding:
        """Estimate I(x; y), or I(x; y | z) where there is a condition.

        Call `run.listen(Step(done, total))` now and then, and return what is known so far, with
        status `interrupted`, once the answer is true. Draw random numbers from `run.rng()` only.

        Args:
            pairs: Checked data: `pairs.x` is `(n, dim_x)`, `pairs.y` is `(n, dim_y)`. Not to be
                changed.
            run: Seed, device, listener and keeper.

        Returns:
            The estimate in nats. The run adds sizes, fields, notes on the data and provenance.

        Raises:
            MMGError: The data or fields cannot be used.
        """
        raise NotImplementedError


class TrainedEstimator(Estimator):
    """An estimator whose run lives in a module of its own, loaded when it is needed.

    So that names, fields and help of estimators load no torch.

    Attributes:
        runner: `module:function`, called with the estimator, the pairs and the run.
    """

    trains: ClassVar[bool] = True
    runner: ClassVar[str]

    def runner_for(self, pairs: Pairs) -> str:
        """The runner that is taken for such data."""
        return self.runner

    def method_for(self, pairs: Pairs) -> Method:
        """The runner for such data, with this estimator; see `Estimator`."""
        module, _, name = self.runner_for(pairs).partition(":")
        return partial(getattr(import_module(module), name), self)

    def estimate(self, pairs: Pairs, run: RunContext) -> Estimate | Finding:
        """Estimate I(x; y) by the runner; see `Estimator`."""
        return self.method_for(pairs)(pairs, run)
