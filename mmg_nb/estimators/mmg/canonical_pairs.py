"""The stage of canonical pairs: features of x and of y that predict each other precisely."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from mmg_nb.estimators.mmg.anchor_stage import Base, based, laid_out
from mmg_nb.estimators.mmg.canonical_features import CanonicalFeatures
from mmg_nb.estimators.mmg.fields import MMG
from mmg_nb.estimators.mmg.fit import Fit, Problem, concatenated, interrupted, offset_steps
from mmg_nb.estimators.mmg.pair_fit import PairsDiverged, fit_pairs
from mmg_nb.estimators.mmg.sizes import full_batch, full_width, steps_for, width_for
from mmg_nb.estimators.mmg.training_stages import FullNetwork
from mmg_nb.runs.events import Listener, Phase
from mmg_nb.training.batches import even_batch
from mmg_nb.training.loop import train
from mmg_nb.training.stopping import Ended

__all__ = ["CanonicalPairs"]


@dataclass(frozen=True, kw_only=True)
class CanonicalPairs:
    """Fit features f(x) ≈ g(y) to high precision, then train the full network again with them.

    If dependence is very strong, the precision of the denoiser limits the estimate. Features of
    one variable only can be fitted much more precisely. They give a Kalman update of the Gaussian
    posterior. Training starts again from this update. If the new estimate is lower than the
    earlier one, the earlier fit is kept. If its training ended early for the pairs, another full
    network then corrects it.

    Attributes:
        min_mi: Minimum estimate in nats (LOG.md, "In many columns").
        min_late_gain: Minimum gain of the second half of training in nats, likewise.
        max_pairs: Maximum number of pairs; some may be functions of others. Not measured.
        share_of_steps: Steps for fitting the pairs, relative to those of the full network. Not
            measured.
        batch_factor: Rows per step, relative to those of a regression (LOG.md, "Canonical
            pairs").
    """

    phase: ClassVar[str] = "canonical pairs"

    min_mi: float = 3.0
    min_late_gain: float = 0.5
    max_pairs: int = 4
    share_of_steps: float = 1.1
    batch_factor: int = 4

    def applies(self, problem: Problem, fit: Fit | None) -> bool:
        """Whether training yielded, or the estimate is high and rose late; see `Stage`."""
        training = None if fit is None else fit.training
        if fit is None or training is None or training.ended is Ended.STILL_IMPROVING:
            return training is not None
        broken_off = training.ended in (Ended.INTERRUPTED, Ended.DIVERGED)
        if broken_off or not _full(problem).may_yield(problem, fit.dims[0]):
            return False
        late, mi = training.late_gain or 0.0, float(training.history.mi[-1])
        return mi > self.min_mi and late > self.min_late_gain

    def planned_steps(self, config: MMG, n_samples: int, dim_x: int) -> int:
        """0: whether the stage applies is unknown before the run; see `Stage`."""
        return 0

    def run(self, problem: Problem, fit: Fit | None, listen: Listener) -> Fit:
        """Fit pairs, and train the full network with them; see `Stage`."""
        assert fit is not None, "the full network comes first"
        assert fit.training is not None, "the full network comes first"
        base = based(problem, fit.data, fit.anchor, fit.variance)
        generator = problem.run.random.device
        try:
            state = problem.run.keep.cached(
                "pairs", partial(self.fitted, problem, base), generator
            )
        except PairsDiverged:
            return self._without(problem, fit, listen)
        problem.run.random.host.set_state(state["weights"].cpu())  # as if the fit had drawn
        pairs = CanonicalFeatures.restored({k: v for k, v in state.items() if k != "weights"})
        problem.run.listen(Phase("training"))
        with_pairs = laid_out(problem, base, torch.cat([base.variance, pairs.variance], dim=2))
        full = _full(problem)
        denoiser = full.network(problem, with_pairs, pairs=pairs).to(problem.run.device)
        outcome = train(full.task(problem, with_pairs, denoiser), listen, problem.run.keep)
        gain = float(outcome.history.mi[-1] - fit.training.history.mi[-1])
        if not gain >= 0:  # stopped early, or diverged
            if outcome.ended is Ended.INTERRUPTED:
                return interrupted(problem, fit)
            return self._without(problem, fit, offset_steps(listen, outcome.steps, 0))
        # The missing precision is hardly larger than the gain from the pairs.
        lacking = min(gain, float(pairs.pair_error.mean()))
        whole = replace(concatenated(fit.training, outcome), pair_error=lacking)
        return replace(with_pairs, start=denoiser, training=whole)

    def _without(self, problem: Problem, fit: Fit, listen: Listener) -> Fit:
        """The earlier fit; another network corrects it if its training ended for the pairs."""
        assert fit.training is not None, "the full network comes first"
        if fit.training.ended is not Ended.STILL_IMPROVING:
            return fit
        problem.run.listen(Phase("training"))
        return _full(problem).run(problem, fit, listen)

    def fitted(self, problem: Problem, base: Base) -> dict[str, Tensor]:
        """The tensors of the pairs, see `fit_pairs`, and the generator of the next weights."""
        config, samples = problem.config, base.rows.samples
        fewest = int(base.rows.count.min())
        single = samples.x.shape[2] == samples.y.shape[2] == 1  # LOG.md, "Two sensors"
        width = width_for(config, problem.n_samples) if single else full_width(config)
        pairs = fit_pairs(
            base.rows,
            base.held,
            min(self.max_pairs, samples.x.shape[2], samples.y.shape[2]),
            width=width,
            steps=round(self.share_of_steps * steps_for(config, problem.n_samples)),
            batch=even_batch(self.batch_factor * full_batch(config), fewest),
            random=problem.run.random,
            listen=problem.run.listen,
        )
        return {**pairs.state_dict(), "weights": problem.run.random.host.get_state()}


def _full(problem: Problem) -> FullNetwork:
    """The stage of the full network, which does not yield a second time."""
    stages = (each for each in problem.stages if type(each) is FullNetwork)
    return replace(next(stages, FullNetwork()), still_improving=math.inf)
