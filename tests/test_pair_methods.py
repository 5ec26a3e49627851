"""Which estimate of a pair a map shows, and which estimators disagree."""

from __future__ import annotations

import numpy as np
import pytest

from mmg_nb.questions.pair_methods import CONFLICTS, METHODS, best_of, conflicts_of

NOTHING = (np.nan, np.nan)
CLOSED, COUNTED = (0.10, 0.01), (0.50, 0.02)
APART, HIGHER = CONFLICTS["neighbours and denoisers"], CONFLICTS["closed form higher"]


def looked_at(gcmi, ksg, mmg, settled=True):
    """The estimate that is shown and the mark, for one pair."""
    estimates = zip(METHODS, (gcmi, ksg, mmg), strict=True)
    found = {name: np.array(each)[:, None, None] for name, each in estimates}
    best = best_of(found, np.array([[settled]]))
    return tuple(best[:, 0, 0]), int(conflicts_of(found, best)[0, 0])


@pytest.mark.parametrize(
    ("gcmi", "ksg", "mmg", "settled", "shown", "mark"),
    [
        (CLOSED, NOTHING, NOTHING, False, CLOSED, 0),
        (CLOSED, COUNTED, NOTHING, False, COUNTED, 0),  # not monotonic: no conflict
        (NOTHING, COUNTED, NOTHING, False, COUNTED, 0),
        (NOTHING, NOTHING, (0.3, 0.1), False, (0.3, 0.1), 0),
        (CLOSED, COUNTED, (0.45, 0.07), True, COUNTED, 0),  # agrees, with a larger error
        (CLOSED, COUNTED, (0.45, 0.07), False, COUNTED, 0),
        (CLOSED, COUNTED, (0.51, 0.01), True, (0.51, 0.01), 0),  # agrees, with a smaller error
        (CLOSED, (0.5, np.nan), (0.51, 0.01), True, (0.51, 0.01), 0),
        (CLOSED, COUNTED, (0.52, np.nan), True, COUNTED, 0),  # without an error
        (CLOSED, COUNTED, (0.90, 0.03), True, (0.90, 0.03), APART),
        (CLOSED, COUNTED, (0.70, 0.08), True, (0.70, 0.08), APART),  # 2.4 errors
        (CLOSED, COUNTED, (0.90, 0.03), False, COUNTED, APART),  # training was not complete
        (CLOSED, COUNTED, (0.20, 0.01), True, (0.20, 0.01), APART),
        ((0.90, 0.01), COUNTED, NOTHING, False, COUNTED, HIGHER),
        ((0.90, 0.01), COUNTED, (0.51, 0.01), True, (0.51, 0.01), HIGHER),
        ((0.90, 0.01), COUNTED, (0.90, 0.01), True, (0.90, 0.01), APART),
        ((0.06, 0.001), (0.03, 0.001), NOTHING, False, (0.03, 0.001), 0),  # both weak
    ],
)
def test_the_better_founded_estimate_is_shown(gcmi, ksg, mmg, settled, shown, mark):
    found, said = looked_at(gcmi, ksg, mmg, settled)
    assert found == pytest.approx(shown, nan_ok=True)
    assert said == mark
