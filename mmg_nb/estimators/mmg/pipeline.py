"""The default method as a list of stages, and the run that executes them.

    anchor        regress the noised variable on the other one; the Gaussian posterior around this
                  regression is the first denoiser
    radial gain   if there are few rows: train one factor per row, from vector lengths only
    directions    if there are many columns: train a network on the directions the anchor found
    full network  train a network that sees everything
    pairs         if dependence is very strong: fit matched features of x and of y, then train the
                  full network again

Each stage starts from the result of the previous one. Weights that the validation rows do not
confirm are not kept. Then the gap is measured on rows that the member was not trained on. To drop
a stage or to change a threshold, edit its line in `STAGES`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mmg_nb.data.pairs import Pairs
from mmg_nb.estimators.denoising_run import DenoisingRun, Fitted, evaluate, opened
from mmg_nb.estimators.mmg.anchor_stage import RegressionAnchor
from mmg_nb.estimators.mmg.canonical_pairs import CanonicalPairs
from mmg_nb.estimators.mmg.fields import MMG
from mmg_nb.estimators.mmg.fit import Fit, Problem, Stage, interrupted, offset_steps
from mmg_nb.estimators.mmg.noised import variable_to_noise
from mmg_nb.estimators.mmg.second_look import Look, SecondLooks, second_looks
from mmg_nb.estimators.mmg.sizes import batch_for, draws_for, folds_for, full_width
from mmg_nb.estimators.mmg.training_stages import FullNetwork, InformativeDirections, RadialGain
from mmg_nb.estimators.report import report
from mmg_nb.mmse.evaluation import EvaluationRows, Model
from mmg_nb.mmse.gap import FORMS
from mmg_nb.mmse.permuted_rows import held_out_test
from mmg_nb.polling import Stopped
from mmg_nb.results.finding import Estimate, Finding
from mmg_nb.results.held_out_test import HeldOutTest
from mmg_nb.runs.context import RunContext
from mmg_nb.runs.events import Phase

__all__ = ["STAGES", "by_networks", "fit", "most_steps"]

STAGES: tuple[Stage, ...] = (
    RegressionAnchor(),
    RadialGain(max_rows=2500, share_of_steps=0.5, rate=2.5),
    InformativeDirections(rows_per_column=25),
    FullNetwork(still_improving=0.2, rows_for_pairs=300),
    CanonicalPairs(min_mi=3.0, min_late_gain=0.5, max_pairs=4),
)


def by_networks(
    config: MMG, pairs: Pairs, context: RunContext, least: Estimate | None = None
) -> tuple[Finding, Look | None]:
    """Train networks, and measure how much the other variable lowers the denoising error.

    Then compare with estimates without networks: nearest neighbours in the data, and, unless
    `least` is given, nearest neighbours in predictions of one variable from the other one.

    Args:
        config: The estimator.
        pairs: The rows of x and y. The variable that gets the noise must hold numbers only.
        context: Seed, device, listener, and the keeper that saves checkpoints.
        least: An earlier estimate from predictions, to compare with instead of a new one.

    Returns:
        What was found, and the new estimate from predictions, if there is one.

    Raises:
        Stopped: The user has stopped the run before anything was estimated.
    """
    n = pairs.n_samples
    folds = folds_for(config, n)
    activations = folds * batch_for(config, n) * full_width(config)
    with opened(
        pairs, context, activations=activations, folds=folds, crossed=config.gap == "cross"
    ) as opened_run:
        noised = variable_to_noise(pairs, config.noised)
        problem = Problem(replace(config, noised=noised), opened_run, STAGES)
        found = fit(problem)
        assert found.training is not None, "the last stages apply to all data"
        fitted = Fitted(
            found.data.x,
            found.data.y,
            found.anchor,
            found.validation.grid,
            found.training,
            found.data.notes,
            found.data.condition,
        )
        noised = "y" if problem.noises_y else "x"
        fitted, measurement = evaluate(
            opened_run, fitted, draws=draws_for(config, n), noised=noised
        )
        mi = float(measurement.points.values[FORMS.index(config.gap)].mean())
        seen, test = SecondLooks(least), None
        try:
            if not fitted.stopped:
                test = _tested(opened_run, fitted, context.seed)
                seen = second_looks(pairs, mi, least)
        except Stopped:
            fitted = fitted.interrupted()
        reported = report(config, opened_run, fitted, measurement, seen)
        return replace(reported, test=test), seen.look


def _tested(run: DenoisingRun, fitted: Fitted, seed: int) -> HeldOutTest | None:
    """The test of independence on evaluation rows; None if rows depend on each other."""
    pairs = run.pairs
    if pairs.inflation > 1 or len(np.unique(pairs.clusters)) < pairs.n_samples:
        return None
    model = Model(fitted.anchor, fitted.outcome.denoiser)
    rows = EvaluationRows(fitted.x, fitted.y, pairs.clusters, run.plan.evaluation_folds)
    return held_out_test(model, rows, fitted.outcome.proposal, fitted.condition, seed)


def fit(problem: Problem) -> Fit:
    """Run the stages that apply, one after the other.

    Args:
        problem: The data and the estimator.

    Returns:
        The fit after the last stage, or after a stop by the user.

    Raises:
        Stopped: The user has stopped the run before anything was known.
    """
    fitted: Fit | None = None
    shown = ""
    for k, stage in enumerate(problem.stages):
        if not stage.applies(problem, fitted):
            continue
        if stage.phase != shown:
            shown = stage.phase
            problem.run.listen(Phase(shown))
        listen = problem.run.listen
        if fitted is not None:
            later = [each for each in problem.stages[k + 1 :] if each.applies(problem, fitted)]
            n, dim_x = problem.n_samples, fitted.dims[0]
            planned = sum(each.planned_steps(problem.config, n, dim_x) for each in later)
            listen = offset_steps(listen, fitted.steps, planned)
        try:
            fitted = stage.run(problem, fitted, listen)
        except Stopped:
            if fitted is None:
                raise
            fitted = interrupted(problem, fitted)
        if fitted.stopped:
            break
    assert fitted is not None, "the first stage applies to all data"
    return fitted


def most_steps(config: MMG, pairs: Pairs) -> int:
    """Upper limit of the steps, whichever columns are left out: fewer may need more stages."""
    columns = pairs.dim_y if config.noises_y(pairs.dim_x, pairs.dim_y) else pairs.dim_x
    return max(
        sum(stage.planned_steps(config, pairs.n_samples, count) for stage in STAGES)
        for count in range(1, columns + 1)
    )
