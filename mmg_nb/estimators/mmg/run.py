"""The order of a run on numbers: leave out directions, train networks, compare with second looks.

function      a column that is a function of another one: no networks are trained
reduction     many columns: directions that do not help to predict the other variable are left out
networks      the stages of `pipeline`, and the difference of the two error curves
second look   predictions of y from x (or of x from y) by other models. If they give a clearly
              higher estimate, networks are trained again with the prediction of y in place of x
neighbours    if nearest neighbours still find significantly more, the estimate is theirs
"""

from __future__ import annotations

import math
from dataclasses import replace

from mmg_nb.data.pairs import Pairs
from mmg_nb.estimators.mmg.exact_function import of_function
from mmg_nb.estimators.mmg.fields import MMG
from mmg_nb.estimators.mmg.pipeline import by_networks, most_steps
from mmg_nb.estimators.mmg.reduction import reduced
from mmg_nb.estimators.mmg.second_look import (
    LACKING,
    MODELS,
    Look,
    by_columns,
    by_directions,
    by_predictions,
    gain_of_rows,
    too_many_columns,
)
from mmg_nb.estimators.report import LEFT_OUT, with_part
from mmg_nb.mmse.standard_error import DETECTION, MORE_ROWS, NOTHING_FOUND, null_standard_error
from mmg_nb.polling import Stopped
from mmg_nb.results.facts import CEILING, NEIGHBOURS, OTHER_COLUMNS
from mmg_nb.results.finding import Finding
from mmg_nb.results.status import Status
from mmg_nb.runs.context import RunContext
from mmg_nb.runs.devices import pick_device
from mmg_nb.runs.events import PartOfRun, Started
from mmg_nb.runs.keeper import NoCheckpoint

__all__ = ["run"]

CLEAR = 2.0  # standard errors from which on an estimate is distinguishable from 0
UNSEEN = 2.0  # nats times rows for each column (LOG.md, "Where nothing is found")
LARGE = 0.5  # nats of this part, from which a note explains it; not measured
FEWER = "To train networks, use more rows or fewer columns."


def run(config: MMG, pairs: Pairs, context: RunContext) -> Finding:
    """Estimate I(x; y) or I(x; y | z) of columns of numbers; see `MMG`.

    Args:
        config: The estimator.
        pairs: The rows of x and y. The variable that gets the noise must hold numbers only.
        context: Seed, device, listener, and the keeper that saves checkpoints.

    Returns:
        What was found: estimate, error, curves, status and notes.

    Raises:
        Stopped: The user has stopped the run before anything was known.
    """
    exact = _begun(config, pairs, context)
    if exact is not None:
        return exact
    return _possible(pairs, _with_neighbours(_trained(config, pairs, context)))


def _begun(config: MMG, pairs: Pairs, context: RunContext) -> Finding | None:
    """Report the start of a run. Returns the finding for a function, for which nothing trains."""
    sizes = pairs.n_samples, pairs.dim_x, pairs.dim_y
    device, steps = str(pick_device(context.device)), most_steps(config, pairs)
    context.listen(Started(config.name, *sizes, device, steps, pairs.dim_z))
    return of_function(pairs, context.seed)


def _trained(config: MMG, pairs: Pairs, context: RunContext) -> Finding:
    """The estimate by networks, with what nearest neighbours find more as a part of its error."""
    reduction = reduced(pairs)
    fewer = reduction.pairs
    wide = too_many_columns(fewer)
    if wide is not None:
        found = _of_wide(config, fewer, context, wide)
    else:
        found, look = by_networks(config, fewer, context)
        if found.status not in (Status.DIVERGED, Status.INTERRUPTED):
            found = _compared(config, (pairs, fewer), context, found, look)
    if reduction.pairs is not pairs:  # the choice of directions has seen all rows
        found = replace(found, test=None)
    found = with_part(found, LEFT_OUT, reduction.lost, reduction.notes)
    return _with_unseen(pairs, found)


def _with_neighbours(found: Finding) -> Finding:
    """The estimate of nearest neighbours, where it is significantly higher.

    They are biased downwards, so what they find beyond the networks is there: mostly dependence
    in a few rows (LOG.md, "Dependence that networks do not detect").
    """
    missed = found.error_parts.get(NEIGHBOURS, 0.0)
    if not missed:
        return found
    note = (
        f"The estimate is that of nearest neighbours, {found.mi + missed:.3f} nats. Networks find "
        f"only {found.mi:.3f} nats in the same rows, for example if dependence is in few rows. "
        "The standard error includes the difference. Compare with `ksg`. If rows depend on each "
        "other, the estimate is too high: then pass `groups`."
    )
    return replace(found, mi=found.mi + missed, notes=(note, *found.notes))


def _possible(pairs: Pairs, found: Finding) -> Finding:
    """The entropy of a label, where the estimate is higher: mutual information cannot be."""
    name, most = min(pairs.entropies.items(), key=lambda each: each[1], default=("", math.inf))
    beyond = found.mi - most
    if not beyond > 0:
        return found
    who = "Nearest neighbours find" if NEIGHBOURS in found.error_parts else "The networks find"
    note = (
        f"{who} {found.mi:.3f} nats, more than the entropy of {name}. That is "
        f"impossible, so the estimate is this entropy. Networks find too much if there are few "
        "rows for each category. Use more rows or fewer columns, or compare with `ksg`."
    )
    part = min(beyond, most / 4)  # not measured; the estimate stays distinguishable from 0
    return with_part(replace(found, mi=most), CEILING, part, (note,))


def _with_unseen(pairs: Pairs, found: Finding) -> Finding:
    """The finding with what may be there where nothing was found, as a part of its error.

    Dependence that no model has begun to learn leaves no trace in any other part of the error.
    """
    if OTHER_COLUMNS in found.error_parts or abs(found.mi) > CLEAR * (found.stderr or 0.0):
        return found
    nats = UNSEEN * (pairs.freedom_x + pairs.freedom_y) / pairs.effective_rows
    note = (
        f"The standard error is large because {pairs.dim_x + pairs.dim_y} columns can hide "
        f"dependence that {pairs.n_samples} rows do not show. Use more rows or fewer columns."
    )
    return with_part(found, NOTHING_FOUND, nats, (note,) if nats > LARGE else ())


def _compared(
    config: MMG,
    data: tuple[Pairs, Pairs],
    context: RunContext,
    found: Finding,
    look: Look | None,
) -> Finding:
    """The estimate by networks, or that with a replacement of a variable, if it is higher.

    Args:
        config: The estimator.
        data: The data, and the same without the directions that were left out.
        context: See `run`.
        found: The estimate by networks.
        look: The look at predictions, if there is one.
    """
    pairs, fewer = data
    later = replace(context, listen=PartOfRun(context.listen), keep=NoCheckpoint())
    try:
        every = look, by_columns(pairs), by_directions(pairs)
        looks = [each for each in every if each is not None]
        look = max(looks, key=lambda each: each.estimate.mi, default=None)
        if look is None or not look.exceeds(found.mi):
            return found
        if look.predictor is not None:
            again = _in_replacement(config, fewer, later, look)
        else:
            exact = _begun(config, look.pairs, later)
            again = _trained(config, look.pairs, later) if exact is None else exact
    except Stopped:
        return replace(found, status=Status.INTERRUPTED)
    if again.status is Status.INTERRUPTED or again.mi < found.mi:
        return replace(found, status=max(found.status, again.status, key=_is_stop))
    note = (
        f"{look.replacement}. Networks found more there than in the data as they are "
        f"({found.mi:.3f} nats). A replacement cannot add information, so the higher estimate is "
        "used. Nothing to do."
    )
    # The other columns may hide as much again, or twice as much.
    hidden = 0.0 if look.predictor is not None else again.mi - max(0.0, found.mi)
    return with_part(replace(again, test=found.test), OTHER_COLUMNS, hidden, (note,))


def _is_stop(status: Status) -> bool:
    return status is Status.INTERRUPTED


def _of_wide(config: MMG, pairs: Pairs, context: RunContext, predictor: str) -> Finding:
    """The estimate with a prediction only, for a variable of too many columns for networks."""
    columns = getattr(pairs, predictor).shape[1]
    what = (
        f"{predictor} has {columns} columns but only {pairs.n_samples} rows. Networks would "
        "overfit, so none were trained on it."
    )
    # Of independent columns, the one that is correlated most by chance has about this much.
    chance = null_standard_error(pairs.n_samples, 1, 1) + math.log(columns) / pairs.n_samples
    look = by_predictions(pairs, (predictor,))
    if look is None:
        note = (
            f"{what} The estimate is 0, because the other variable could not be predicted from it "
            f"({MODELS}). {FEWER}"
        )
        return with_part(Finding(mi=0.0), DETECTION, chance, (note,))
    note = f"{what} {look.replacement}. {FEWER}"
    return with_part(_in_replacement(config, pairs, context, look), DETECTION, chance, (note,))


def _in_replacement(config: MMG, pairs: Pairs, context: RunContext, look: Look) -> Finding:
    """The estimate with the replacement of a look."""
    noised = "x" if look.pairs.discrete_y else "y" if look.pairs.discrete_x else "auto"
    found, _ = by_networks(replace(config, noised=noised), look.pairs, context, look.estimate)
    # The gain is known no better than the look.
    lacking = LACKING * max(gain_of_rows(pairs, look), look.estimate.stderr)
    # The prediction has seen all rows.
    return with_part(replace(found, test=None), MORE_ROWS, lacking, ())
