"""`MMG` where there are categories: which terms, what is noised in each, and their sum."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np

from mmg_nb.data.pairs import Pairs
from mmg_nb.data.t_copula import ATOM, largest_atom
from mmg_nb.errors import MMGError
from mmg_nb.estimators.mmg.chain_rule import Term, decompose, part_of
from mmg_nb.estimators.mmg.fields import MMG
from mmg_nb.estimators.neighbours.contingency import closed_form
from mmg_nb.results.provenance import provenance
from mmg_nb.results.result import Estimate, MIResult, PointwiseMI, Status
from mmg_nb.runs.events import Event, Listener, Snapshot, Started

if TYPE_CHECKING:
    from mmg_nb.training.keeper import Keeper

__all__ = ["run"]


WORST_FIRST = (
    Status.DIVERGED,
    Status.INTERRUPTED,
    Status.STEP_LIMIT,
    Status.EARLY_STOPPED,
    Status.CONVERGED,
)


def run(
    config: MMG,
    pairs: Pairs,
    *,
    seed: int,
    listen: Listener,
    device: str,
    keep: Keeper | None = None,
) -> MIResult:
    """Estimate I(x; y) or I(x; y | z) with the fields of `config`; see `MMG`.

    Only a run of one term can be kept; data without categories have no more.
    """
    terms = decompose(pairs)
    _check_images(pairs)
    if len(terms) == 1:
        found = _one(config, pairs, terms[0], seed=seed, listen=listen, device=device, keep=keep)
        return replace(found, fields=asdict(config))
    began = time.perf_counter()
    sizes = pairs.n_samples, pairs.dim_x, pairs.dim_y
    # Imported here because categories alone need no torch.
    from mmg_nb.runs.devices import pick_device

    where = str(pick_device(device))
    listen(Started(config.name, *sizes, where, config.steps_for(sizes[0]), pairs.dim_z))
    listener = _Relay(listen)
    results = [
        _one(config, part_of(pairs, t), t, seed=seed, listen=listener, device=device)
        for t in terms
    ]
    used = next((r.provenance["device"] for r in results if r.curve is not None), "cpu")
    joined = _joined(pairs, terms, results)
    origin = provenance(seed, used, time.perf_counter() - began)
    return replace(joined, fields=asdict(config), provenance=origin)


class _Relay:
    """Passes on what the runs of the terms say, but for what is true of one term only.

    Once asked to stop, every later term is told so at its first event.
    """

    def __init__(self, listen: Listener) -> None:
        self._listen = listen
        self._stopped = False

    def __call__(self, event: Event) -> bool:
        if not isinstance(event, (Started, Snapshot)):
            self._stopped = bool(self._listen(event)) or self._stopped
        return self._stopped


def _one(
    config: MMG,
    pairs: Pairs,
    term: Term,
    *,
    seed: int,
    listen: Listener,
    device: str,
    keep: Keeper | None = None,
) -> MIResult:
    """One term; `pairs` are its own, or those of the user where it is the only one."""
    if term.closed:
        return closed_form(config.name, pairs, seed, listen)
    # Imported here because categories alone need no torch.
    from mmg_nb.estimators.mmg import pipeline as mmg_fit

    if term.symmetric:
        config = replace(config, noised=_smoother(pairs, config.noised))
    else:
        noised = "y" if pairs.discrete_x else "x"
        if config.noised not in ("auto", noised):
            what = f"noised={config.noised!r} needs numbers, and {config.noised} has categories."
            raise MMGError(what, "Leave noised= out.")
        config = replace(config, noised=noised)
    noised = "y" if config.noises_y(pairs.dim_x, pairs.dim_y) else "x"
    if (pairs.shape_y if noised == "y" else pairs.shape_x) is not None:
        from mmg_nb.estimators.mmg_images import run as mmg_image_fit

        return mmg_image_fit.run(
            config, pairs, seed=seed, listen=listen, device=device, noised=noised
        )
    return mmg_fit.run(config, pairs, seed=seed, listen=listen, device=device, keep=keep)


def _check_images(pairs: Pairs) -> None:
    images = pairs.shape_x is not None or pairs.shape_y is not None
    if images and pairs.given is not None:
        what = "With images mmg estimates I(x; y) only, not I(x; y | z)."
        raise MMGError(what, "Leave given= out, or describe each image by a few numbers.")


def _smoother(pairs: Pairs, asked: str) -> str:
    """The variable to noise: no image, if the other is none, nor one with a common value."""
    images = pairs.shape_x is not None, pairs.shape_y is not None
    if any(images):
        return asked if asked != "auto" or all(images) else "y" if images[0] else "x"
    x, y = (largest_atom(values) for values in (pairs.x, pairs.y))
    if asked != "auto" or max(x, y) < ATOM or max(x, y) < 2 * min(x, y):
        return asked
    return "x" if x < y else "y"


def _joined(pairs: Pairs, terms: Sequence[Term], results: Sequence[MIResult]) -> MIResult:
    names = [term.name for term in terms]
    signs = [term.sign for term in terms]
    signed = {
        name: Estimate(sign * each.mi, each.stderr or 0.0)
        for name, sign, each in zip(names, signs, results, strict=True)
    }
    pointwise, covariances = _pointwise(pairs.n_samples, signs, results)
    own = sum(each.stderr**2 for each in signed.values())
    learning = _learning_errors(results)
    badly_learnt = sum(part**2 for part in learning.values())
    # What the terms share may cancel between them, but what was learnt badly does not.
    variance = max(own + covariances, own / 2, badly_learnt)
    meaning = "_c: its numbers, _d: its categories"
    note = f"Computed as the sum {' + '.join(names)} ({meaning}).".replace("+ −", "− ")
    said = [remark for each in results for remark in each.notes]
    return MIResult(
        mi=math.fsum(each.mi for each in signed.values()),
        stderr=math.sqrt(variance),
        estimator=results[0].estimator,
        n_samples=pairs.n_samples,
        dim_x=pairs.dim_x,
        dim_y=pairs.dim_y,
        dim_z=pairs.dim_z,
        pointwise=pointwise,
        status=min((each.status for each in results), key=WORST_FIRST.index),
        notes=(*pairs.notes, note, *dict.fromkeys(said)),
        terms=signed,
        error_parts={"sampling": math.sqrt(variance - badly_learnt), **learning},
    )


def _learning_errors(results: Sequence[MIResult]) -> dict[str, float]:
    """The parts of the error of a sum that each term has for itself, unlike sampling."""
    names = dict.fromkeys(name for each in results for name in each.error_parts)
    return {
        name: math.hypot(*(each.error_parts.get(name, 0.0) for each in results))
        for name in names
        if name != "sampling"
    }


def _pointwise(
    n: int, signs: Sequence[int], results: Sequence[MIResult]
) -> tuple[PointwiseMI, float]:
    """The sum at each row that all terms have, and twice the covariances of their means."""
    values = np.full((len(results), n), np.nan)
    noise = np.zeros(n)
    for row, sign, each in zip(values, signs, results, strict=True):
        if each.pointwise is not None:
            row[each.pointwise.index] = sign * each.pointwise.mi
            noise[each.pointwise.index] += each.pointwise.stderr**2
    index = np.flatnonzero(np.isfinite(values).all(axis=0))
    covariance = np.cov(values[:, index]) / len(index)
    shared = float(covariance.sum() - np.trace(covariance))
    return PointwiseMI(index, values[:, index].sum(axis=0), np.sqrt(noise[index])), shared
