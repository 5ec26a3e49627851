"""How large a fit of `mmg` is: steps, batches, widths and draws by the number of rows."""

from __future__ import annotations

import math

from mmg_nb.data.splits import usual_folds
from mmg_nb.denoisers.residual import crowding
from mmg_nb.estimators.mmg.fields import EFFORT_STEPS, MMG

__all__ = [
    "WIDEST_FOCUS",
    "anchor_steps",
    "batch_for",
    "draws_for",
    "focuses",
    "folds_for",
    "full_batch",
    "full_width",
    "share_without_y",
    "steps_for",
    "validation_draws",
    "width_for",
]

MANY_ROWS = 10_000  # with fewer there is less to learn: fewer steps and features
BATCH, MOST_BATCH, BATCH_POWER = 256, 1024, 0.6  # noisy rows a step grow with many rows
WITHOUT_Y = 0.25  # share of them that does not get y, with many rows; with few it is half
WIDTH, LEAST_WIDTH = 64, 32  # hidden features with many rows and with few
WIDTH_POWER, WIDTH_UNIT = 0.3, 8  # they grow with the rows to this power, in such steps
ANCHOR_SHARE, ANCHOR_STEPS = 0.5, 3000  # steps of the anchor: of those with many rows; at most
DRAWS, MOST_DRAWS = 20, 60  # log-SNRs a point, where there are many points and few
FEW_POINTS = 3000  # rows below which each point gets more draws
VALIDATION_DRAWS = 2048  # in few columns
COLUMNS_OF_DRAWS = 256  # from which there are no more than in few, for the sake of memory
ROWS_PER_COLUMN = 25  # from which informative directions are trained first
WIDEST_FOCUS = 256  # columns of y, beyond which it costs more than the network


def steps_for(config: MMG, n_samples: int) -> int:
    """Training steps of the full network, from `steps` or by `effort` and the number of rows."""
    if config.steps is not None:
        return config.steps
    share = math.sqrt(min(1.0, n_samples / MANY_ROWS))
    return max(EFFORT_STEPS["quick"], round(share * EFFORT_STEPS[config.effort]))


def batch_for(config: MMG, n_samples: int) -> int:
    """Noisy rows a step, from `batch` or by the number of rows."""
    if config.batch is not None:
        return config.batch
    growth = max(1.0, n_samples / MANY_ROWS) ** BATCH_POWER
    return min(MOST_BATCH, 2 * round(BATCH * growth / 2))


def share_without_y(n_samples: int, *, conditional: bool) -> float:
    """Share of the rows of a step that train the branch without y.

    With normal scores it mostly has less to learn; given a condition it has as much.
    """
    return WITHOUT_Y if n_samples >= MANY_ROWS and not conditional else 0.5


def width_for(config: MMG, n_samples: int) -> int:
    """Hidden features of the network, from `width` or by the number of rows."""
    if config.width is not None:
        return config.width
    share = min(1.0, n_samples / MANY_ROWS) ** WIDTH_POWER
    return max(LEAST_WIDTH, WIDTH_UNIT * round(share * WIDTH / WIDTH_UNIT))


def full_width(config: MMG) -> int:
    """Hidden features for any number of rows: of regressions."""
    return WIDTH if config.width is None else config.width


def full_batch(config: MMG) -> int:
    """Rows a step for any number of rows: of regressions."""
    return BATCH if config.batch is None else config.batch


def anchor_steps(config: MMG) -> int:
    """Most steps of regressions, those that training starts from, for any number of rows."""
    steps = EFFORT_STEPS[config.effort] if config.steps is None else config.steps
    return min(ANCHOR_STEPS, round(ANCHOR_SHARE * steps))


def draws_for(config: MMG, n_samples: int) -> int:
    """Log-SNRs a point, from `draws` or by the number of rows."""
    if config.draws is not None:
        return config.draws
    return round(DRAWS * min(MOST_DRAWS / DRAWS, max(1.0, FEW_POINTS / n_samples)))


def folds_for(config: MMG, n_samples: int) -> int:
    """Folds of the cross-fit, from `folds` or by the number of rows."""
    if config.folds is not None:
        return config.folds
    return 3 if config.gap == "cross" else usual_folds(n_samples)


def focuses(
    n_samples: int, dim_x: int, dim_y: int, rows_per_column: int = ROWS_PER_COLUMN
) -> bool:
    """Whether columns are many, and rows enough to say which of them matter."""
    enough = n_samples >= rows_per_column * dim_x
    return crowding(dim_x) > 1 and enough and dim_y <= WIDEST_FOCUS


def validation_draws(n_samples: int, dim_x: int, dim_y: int) -> int:
    """More in many columns, where what can be learned is faint beside what is overfitted.

    Up to about 40 columns; beyond, fewer again, for the sake of memory.
    """
    if not focuses(n_samples, dim_x, dim_y):
        return VALIDATION_DRAWS
    return round(VALIDATION_DRAWS * min(crowding(dim_x), max(1.0, COLUMNS_OF_DRAWS / dim_x)))
