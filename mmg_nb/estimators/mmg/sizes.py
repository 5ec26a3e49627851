"""Sizes of a fit of `mmg`: steps, batches, widths and draws for a number of rows."""

from __future__ import annotations

import math

from mmg_nb.data.splits import default_folds
from mmg_nb.denoisers.residual import dimension_ratio
from mmg_nb.estimators.mmg.fields import EFFORT_STEPS, MMG
from mmg_nb.estimators.mmg_images.fields import MMGImages

__all__ = [
    "VALIDATION_DRAWS",
    "WIDEST_FOCUS",
    "anchor_steps",
    "batch_for",
    "draws_for",
    "folds_for",
    "full_batch",
    "full_width",
    "share_without_y",
    "steps_for",
    "validation_draws",
    "width_for",
]

MANY_ROWS = 10_000  # below this number of rows, fewer steps and hidden features are used
BATCH, MOST_BATCH, BATCH_POWER = 256, 1024, 0.6  # noisy rows per step; they grow with the rows
WITHOUT_Y = 0.25  # fraction of the batch without y where this is easy; see `share_without_y`
WIDTH, LEAST_WIDTH = 64, 32  # hidden features with many rows and with few rows
WIDTH_POWER, WIDTH_UNIT = 0.3, 8  # the width grows with rows to this power, in such steps
ANCHOR_SHARE, ANCHOR_STEPS = 0.5, 3000  # anchor steps: fraction of those of `effort`; maximum
DRAWS, MOST_DRAWS = 20, 60  # log-SNRs per row, with many rows and with few rows
FEW_POINTS = 3000  # below this number of rows, each row gets more draws
VALIDATION_DRAWS = 2048  # with few columns, or too few rows to find informative directions
COLUMNS_OF_DRAWS = 256  # beyond this number of columns there are no extra draws, to save memory
WIDEST_FOCUS = 256  # maximum columns of y; beyond it, focusing costs more than the network


def steps_for(config: MMG | MMGImages, n_samples: int) -> int:
    """Steps of the full network, from `steps`, or from `effort` and the number of rows.

    With few rows, many more steps overfit. So `effort="high"` adds steps in proportion to the
    rows (LOG.md, "More effort with few rows").
    """
    if isinstance(config, MMGImages):
        return config.most_steps
    if config.steps is not None:
        return config.steps
    rows, wanted = min(1.0, n_samples / MANY_ROWS), EFFORT_STEPS[config.effort]
    usual = min(wanted, EFFORT_STEPS["normal"])
    steps = math.sqrt(rows) * (usual + rows * (wanted - usual))
    return max(EFFORT_STEPS["quick"], round(steps))


def batch_for(config: MMG, n_samples: int) -> int:
    """Noisy rows per step, from `batch` or from the number of rows."""
    if config.batch is not None:
        return config.batch
    growth = max(1.0, n_samples / MANY_ROWS) ** BATCH_POWER
    return min(MOST_BATCH, 2 * round(BATCH * growth / 2))


def share_without_y(n_samples: int, dim_x: int, *, conditional: bool) -> float:
    """Fraction of a batch that trains the prediction without y (the branch without y).

    A single column is normal after the transform, so this prediction is easy, and a quarter of
    the batch is enough. Several columns may depend on each other in any way, and a condition may
    explain them. The prediction without y is then as hard as that with y, and gets half.
    """
    easy = n_samples >= MANY_ROWS and dim_x == 1 and not conditional
    return WITHOUT_Y if easy else 0.5


def width_for(config: MMG, n_samples: int) -> int:
    """Hidden features of the network, from `width` or from the number of rows."""
    if config.width is not None:
        return config.width
    share = min(1.0, n_samples / MANY_ROWS) ** WIDTH_POWER
    return max(LEAST_WIDTH, WIDTH_UNIT * round(share * WIDTH / WIDTH_UNIT))


def full_width(config: MMG) -> int:
    """Hidden features of the regressions, for any number of rows."""
    return WIDTH if config.width is None else config.width


def full_batch(config: MMG) -> int:
    """Rows per step of the regressions, for any number of rows."""
    return BATCH if config.batch is None else config.batch


def anchor_steps(config: MMG) -> int:
    """Maximum steps of the regressions, for any number of rows."""
    steps = EFFORT_STEPS[config.effort] if config.steps is None else config.steps
    return min(ANCHOR_STEPS, round(ANCHOR_SHARE * steps))


def draws_for(config: MMG, n_samples: int) -> int:
    """Log-SNRs per evaluation row, from `draws` or from the number of rows."""
    if config.draws is not None:
        return config.draws
    return round(DRAWS * min(MOST_DRAWS / DRAWS, max(1.0, FEW_POINTS / n_samples)))


def folds_for(config: MMG, n_samples: int) -> int:
    """Number of folds, from `folds` or from the number of rows."""
    if config.folds is not None:
        return config.folds
    return 3 if config.gap == "cross" else default_folds(n_samples)


def validation_draws(dim_x: int) -> int:
    """Number of validation draws; more with many columns, where overfitting hides the signal.

    The number grows up to about 40 columns and then falls again, to save memory.
    """
    return round(
        VALIDATION_DRAWS * min(dimension_ratio(dim_x), max(1.0, COLUMNS_OF_DRAWS / dim_x))
    )
