"""`MMG` with categories: the terms of the chain rule, the noised variable of each, their sum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mmg_nb.data.pairs import Pairs
from mmg_nb.errors import MMGError
from mmg_nb.estimators.mmg.chain_rule import Term, decompose, is_settled, part_of
from mmg_nb.estimators.mmg.fields import MMG
from mmg_nb.estimators.mmg_images.fields import MMGImages
from mmg_nb.estimators.neighbours.contingency import closed_form
from mmg_nb.mmse.standard_error import error_of_sum
from mmg_nb.polling import Stopped
from mmg_nb.results.curves import PointwiseMI
from mmg_nb.results.finding import Estimate, Finding
from mmg_nb.results.status import Status
from mmg_nb.runs.context import RunContext
from mmg_nb.runs.events import PartOfRun, Started
from mmg_nb.runs.keeper import NoCheckpoint

__all__ = ["run"]

Array = NDArray[np.float64]

WORST_FIRST = (
    Status.DIVERGED,
    Status.INTERRUPTED,
    Status.STEP_LIMIT,
    Status.CONVERGED,
)


def run(config: MMG | MMGImages, pairs: Pairs, context: RunContext) -> Finding:
    """Estimate I(x; y) or I(x; y | z); see `MMG`.

    A checkpoint can hold only a run with a single term. Data without categories have one term.

    Args:
        config: The estimator.
        pairs: The data.
        context: Seed, device, listener and keeper.

    Returns:
        The finding.

    Raises:
        Stopped: The user has stopped the run before the last term was begun.
    """
    pairs = _with_flags_as_numbers(pairs)
    terms = decompose(pairs)
    if len(terms) == 1:
        return _one(config, pairs, terms[0], context)
    # Imported here because categories alone need no torch.
    from mmg_nb.estimators.mmg.sizes import steps_for
    from mmg_nb.runs.devices import pick_device

    sizes = pairs.n_samples, pairs.dim_x, pairs.dim_y
    device = str(pick_device(context.device))
    steps = steps_for(config, pairs.n_samples)
    context.listen(Started(config.name, *sizes, device, steps, pairs.dim_z))
    of_terms = replace(context, listen=PartOfRun(context.listen), keep=NoCheckpoint())
    results: list[Finding] = []
    for term in terms:
        if results and results[-1].status is Status.INTERRUPTED:
            raise Stopped(_known(terms, results))
        part = part_of(pairs, term)
        results.append(_nothing(part) if is_settled(part) else _one(config, part, term, of_terms))
    used = next((each.device for each in results if each.curve is not None), "cpu")
    return replace(_joined(pairs, terms, results), device=used)


def _with_flags_as_numbers(pairs: Pairs) -> Pairs:
    """Columns of two levels beside numbers (an event and its time) as numbers.

    Two levels have no order to get wrong. As numbers, they need no term of their own (LOG.md,
    "Numbers with a flag"). If both variables have categories, all of them stay: their table is a
    term that is known well, for example if both variables are missing in the same rows.
    """
    images = pairs.shape_x is not None or pairs.shape_y is not None
    if images or (pairs.discrete_x and pairs.discrete_y):
        return pairs
    return replace(
        pairs,
        discrete_x=_many_levels(pairs.x, pairs.discrete_x),
        discrete_y=_many_levels(pairs.y, pairs.discrete_y),
    )


def _many_levels(values: Array, discrete: tuple[int, ...]) -> tuple[int, ...]:
    """The columns of categories, less those of two levels beside numbers."""
    if len(discrete) == values.shape[1]:
        return discrete
    return tuple(i for i in discrete if len(np.unique(values[:, i])) > 2)


def _nothing(pairs: Pairs) -> Finding:
    """The finding for a term that is 0 in each row."""
    rows, zero = np.arange(pairs.n_samples), np.zeros(pairs.n_samples)
    return Finding(mi=0.0, stderr=0.0, pointwise=PointwiseMI(rows, zero, zero))


def _known(terms: Sequence[Term], results: Sequence[Finding]) -> str:
    """What to say if the user stops before all terms are known."""
    known = [
        f"{term.name} = {each.mi:.3f} ± {each.stderr or 0:.3f} nats"
        for term, each in zip(terms, results, strict=False)
    ]
    return (
        f"The run was stopped after {len(known)} of {len(terms)} terms, so their sum is unknown. "
        f"Estimated: {', '.join(known)}."
    )


def _one(config: MMG | MMGImages, pairs: Pairs, term: Term, context: RunContext) -> Finding:
    """Estimate one term from its `pairs`; if it is the only term, these are the user's."""
    if term.closed:
        return closed_form(pairs, context.seed)
    if not term.symmetric:
        noised = "y" if pairs.discrete_x else "x"
        if config.noised not in ("auto", noised):
            what = f"noised={config.noised!r} needs numbers, and {config.noised} has categories."
            raise MMGError(what, "Leave out noised=.")
        config = replace(config, noised=noised)
    suited = config.for_data(pairs)
    # Imported here because categories alone need no torch.
    if isinstance(suited, MMGImages):
        from mmg_nb.estimators.mmg_images.run import run as run_on_images

        return run_on_images(suited, pairs, context)
    from mmg_nb.estimators.mmg.run import run as run_on_numbers

    assert isinstance(config, MMG), "mmg_images is taken for images only"
    return run_on_numbers(config, pairs, context)


def _joined(pairs: Pairs, terms: Sequence[Term], results: Sequence[Finding]) -> Finding:
    signed = [
        Estimate(term.sign * each.mi, each.stderr or 0.0)
        for term, each in zip(terms, results, strict=True)
    ]
    pointwise = [
        _signed(term.sign, each.pointwise) for term, each in zip(terms, results, strict=True)
    ]
    parts = [each.error_parts for each in results]
    found, stderr, error_parts = error_of_sum(pairs.n_samples, signed, pointwise, parts)
    names = [term.name for term in terms]
    meaning = "_c: numbers of a variable, _d: its categories"
    total = " + ".join(names).replace("+ −", "− ")
    note = (
        f"Numbers and categories occur together, so the estimate is a sum: {total} ({meaning}). "
        "Nothing to do."
    )
    said = [remark for each in results for remark in each.notes]
    return Finding(
        mi=math.fsum(each.mi for each in signed),
        stderr=stderr,
        pointwise=found,
        status=min((each.status for each in results), key=WORST_FIRST.index),
        notes=(note, *dict.fromkeys(said)),
        terms=dict(zip(names, signed, strict=True)),
        error_parts=error_parts,
    )


def _signed(sign: int, pointwise: PointwiseMI | None) -> PointwiseMI | None:
    return None if pointwise is None else replace(pointwise, mi=sign * pointwise.mi)
