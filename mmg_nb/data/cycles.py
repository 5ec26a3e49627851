"""Times, angles and other numbers that begin again, as points of a circle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mmg_nb.data.arrays import to_numpy
from mmg_nb.data.tables import frame_of
from mmg_nb.errors import MMGError, brief

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CYCLES", "cyclic"]

CYCLES = ("hour", "weekday", "month")


def cyclic(values: Any, cycle: str | float) -> pd.DataFrame:
    """Place one column on a circle, where the end of a cycle is next to its beginning.

    Args:
        values: Times or their texts in ISO 8601, `(n,)`; or numbers if the cycle is a period.
        cycle: `hour` (time of the day), `weekday` (time of the week), `month` (time of the year),
            or a period, such as 360 for angles in degrees.

    Returns:
        Cosine and sine, `(n, 2)`, NaN where values are missing. Pass it as x, y or given.

    Raises:
        MMGError: The cycle is unknown, or the values do not suit it.
    """
    import pandas as pd

    frame = frame_of(values, "values")
    column = pd.Series(to_numpy(values, "values")) if frame is None else frame.iloc[:, 0]
    if isinstance(cycle, str) and cycle in CYCLES:
        share = _share_of_times(column, cycle)
    elif isinstance(cycle, (int, float)) and 0 < cycle < np.inf:
        share = pd.to_numeric(column, errors="coerce").astype(float) / cycle
    else:
        what = f"cycle must be {', '.join(CYCLES)} or a positive period; got {brief(cycle)}."
        raise MMGError(what, "Try cyclic(times, 'weekday') or cyclic(degrees, 360).")
    angle = 2 * np.pi * share.to_numpy(dtype=float, na_value=np.nan)
    name = cycle if isinstance(cycle, str) else str(column.name or "angle")
    parts = {f"{name} cos": np.cos(angle), f"{name} sin": np.sin(angle)}
    return pd.DataFrame(parts, index=column.index)


def _share_of_times(column: pd.Series[Any], cycle: str) -> pd.Series[float]:
    """The share of the cycle that has passed, from 0 to 1."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column):
        what = f"The cycle {cycle} needs dates or times; got numbers."
        raise MMGError(what, "Convert them first, for example with pandas.to_datetime(values).")
    try:
        times = pd.to_datetime(column, format="ISO8601").dt
    except (ValueError, TypeError) as error:
        what = f"The cycle {cycle} needs dates or times; got {brief(column.iloc[0])}."
        raise MMGError(what, "Convert them first with pandas.to_datetime(values).") from error
    day = (times.hour + (times.minute + times.second / 60) / 60) / 24
    if cycle == "hour":
        return day
    if cycle == "weekday":
        return (times.day_of_week + day) / 7
    return (times.day_of_year - 1 + day) / (365 + times.is_leap_year)
