"""Who trains on which rows: nobody reads what it, or its partner, was trained on."""

from __future__ import annotations

import numpy as np
import pytest

from mmg_nb.data.pairs import Pairs
from mmg_nb.data.splits import EVALUATION_SHARE, VALIDATION_SHARE, make_cross_fit

CROSS_FITS = [(2, False), (3, False), (10, False), (3, True), (5, True), (7, True), (9, True)]
LAYOUTS = [(1, False), (1, True), *CROSS_FITS]
layouts = pytest.mark.parametrize(("folds", "twins"), LAYOUTS)


def make(clusters):
    clusters = np.unique(clusters, return_inverse=True)[1].astype(np.int64)
    return Pairs(np.zeros((len(clusters), 1)), np.zeros((len(clusters), 1)), clusters)


def shuffled(clusters, seed):
    return np.random.default_rng(seed).permutation(np.asarray(clusters))


def huge(n_huge, n_small, seed=0):
    """One cluster of `n_huge` rows and small ones of one row each."""
    return make(shuffled(np.r_[np.zeros(n_huge), np.arange(1, n_small + 1)], seed))


KINDS = {
    "singles": make(np.arange(211)),
    "fewest_rows": make(np.arange(50)),
    "clusters": make(np.random.default_rng(1).integers(0, 60, 300)),
    "fewest_clusters": make(np.r_[np.arange(20), np.random.default_rng(2).integers(0, 20, 180)]),
    "one_huge": huge(400, 19),
    "two_huge": make(shuffled(np.r_[np.zeros(200), np.ones(200), np.arange(2, 20)], 3)),
    "huge_and_many": huge(2000, 48),
}


def plan_of(kind, folds, twins, seed=0):
    return make_cross_fit(KINDS[kind], folds, twins, np.random.default_rng(seed))


def rows_of(member):
    return np.concatenate([member.fit, member.validation])


def disjoint(*parts):
    """Whether no number occurs twice, within a part or across parts."""
    every = np.concatenate([np.asarray(p) for p in parts])
    return len(np.unique(every)) == len(every)


@layouts
@pytest.mark.parametrize("kind", KINDS)
def test_readers_saw_neither_the_rows_read_nor_each_others(kind, folds, twins):
    for seed in range(5):
        plan = plan_of(kind, folds, twins, seed)
        for reading in plan.evaluation_folds:
            first, second = reading.members
            pair = [rows_of(plan.members[i]) for i in dict.fromkeys((first, second))]
            assert len(pair) == (2 if twins else 1)
            assert disjoint(reading.rows, *pair)


@layouts
@pytest.mark.parametrize("kind", KINDS)
def test_clusters_never_straddle(kind, folds, twins):
    clusters = KINDS[kind].clusters
    for seed in range(5):
        plan = plan_of(kind, folds, twins, seed)
        for member in plan.members:
            assert disjoint(
                np.unique(clusters[member.fit]), np.unique(clusters[member.validation])
            )
        for reading in plan.evaluation_folds:
            known = [rows_of(plan.members[i]) for i in dict.fromkeys(reading.members)]
            sets = [np.unique(clusters[rows]) for rows in (reading.rows, *known)]
            assert disjoint(*sets)


@layouts
@pytest.mark.parametrize("kind", KINDS)
def test_no_part_is_empty_and_most_rows_are_fitted(kind, folds, twins):
    for seed in range(20):
        plan = plan_of(kind, folds, twins, seed)
        assert all(len(reading.rows) for reading in plan.evaluation_folds)
        for member in plan.members:
            assert 0 < len(member.validation) <= len(member.fit)


@pytest.mark.parametrize(("folds", "twins"), CROSS_FITS)
@pytest.mark.parametrize("kind", KINDS)
def test_cross_fitting_reads_every_row_once_and_fits_it_equally_often(kind, folds, twins):
    n = KINDS[kind].n_samples
    plan = plan_of(kind, folds, twins)
    read = np.concatenate([reading.rows for reading in plan.evaluation_folds])
    np.testing.assert_array_equal(np.sort(read), np.arange(n))
    used = np.bincount(np.concatenate([rows_of(m) for m in plan.members]), minlength=n)
    assert (used == (folds // 2 if twins else folds - 1)).all()
    readers = np.bincount([i for reading in plan.evaluation_folds for i in reading.members])
    assert (readers == 2).all()
    assert len(plan.members) == len(plan.evaluation_folds) == folds


@layouts
def test_shares_are_as_stated(folds, twins):
    n = 2000
    plan = make_cross_fit(make(np.arange(n)), folds, twins, np.random.default_rng(0))
    share = (folds // 2 if twins else folds - 1) / folds
    if folds == 1:
        share = (1 - EVALUATION_SHARE) / (1 + twins)
    read = n * (EVALUATION_SHARE if folds == 1 else 1 / folds)
    for reading in plan.evaluation_folds:
        assert abs(len(reading.rows) - read) <= 2
    for member in plan.members:
        assert abs(len(rows_of(member)) - n * share) <= 2
        assert abs(len(member.validation) - VALIDATION_SHARE * n * share) <= 2


def test_a_single_split_can_read_a_given_share():
    plan = make_cross_fit(make(np.arange(1000)), 1, False, np.random.default_rng(0), 0.4)
    assert len(plan.evaluation_folds[0].rows) == 400


@layouts
def test_plans_depend_on_the_generator_alone(folds, twins):
    def laid_out(seed):
        plan = plan_of("clusters", folds, twins, seed)
        parts = [r.rows for r in plan.evaluation_folds] + [rows_of(m) for m in plan.members]
        return np.concatenate(parts).tolist()

    assert laid_out(1) == laid_out(1)
    assert laid_out(1) != laid_out(2)


def test_every_row_is_as_likely_to_be_evaluated():
    """A biased draw would be many standard deviations off in some row."""
    n, repeats = 60, 2000
    seen = np.zeros(n)
    rng = np.random.default_rng(0)
    for _ in range(repeats):
        seen[make_cross_fit(make(np.arange(n)), 1, False, rng).evaluation_folds[0].rows] += 1
    spread = np.sqrt(repeats * EVALUATION_SHARE * (1 - EVALUATION_SHARE))
    assert np.abs(seen - repeats * EVALUATION_SHARE).max() < 5 * spread


def test_transforms_of_a_single_split_see_fitted_rows_only():
    plan = plan_of("singles", 1, twins=True)
    seen = np.asarray(plan.transform_rows)
    unseen = [plan.evaluation_folds[0].rows, *(m.validation for m in plan.members)]
    assert disjoint(seen, *unseen)
    assert plan_of("singles", 3, twins=True).transform_rows == slice(None)
