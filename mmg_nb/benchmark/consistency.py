"""Three tests whose outcome is known though the information is not, on images of digits.

A is an image and B_r the same image with all rows from r on blanked (Song and Ermon 2019,
arXiv 1910.06222), each seen through the 16 latents of an auto-encoder of its own (MINDE, arXiv
2310.09031; MMG, arXiv 2509.20609, Figure 4):

* baseline: I(A; B_r) / I(A; B_all) rises with r, from 0 to 1;
* data processing: I(A; [B_r+k, B_r]) / I(A; B_r+k) is 1, as the one contains the other;
* additivity: I([A¹, A²]; [B¹_r, B²_r]) / I(A¹; B¹_r) is 2 for independent images 1 and 2.

Both sides being functions of one image, I(A; B_r) may be infinite, and I(A; B_all) is: a ratio of
estimates then says at which precision the estimator stops to look. These are the `plain` tasks.
The `noisy` tasks add noise of the size of a latent's own spread to every latent. Then all is
finite and known, though data processing is no longer 1 exactly, because each view has noise of
its own and a second look helps; its true value is known, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from mmg_nb.benchmark.digits import HEIGHTS
from mmg_nb.benchmark.distributions.views import NoisyViews, PlainViews
from mmg_nb.benchmark.tasks import Task
from mmg_nb.errors import MMGError

__all__ = ["FAMILIES", "IDEALS", "IDS", "STEP", "build", "ratios"]

FAMILIES: tuple[str, ...] = (
    "consistency-<digits|mnist>-<noisy|plain>-<baseline|processing|additivity>-<rows>",
)

STEP = {"digits": 2, "mnist": 4}
"""Rows that data processing adds, k; of the paper for MNIST."""

IDEALS = {"baseline": None, "processing": 1.0, "additivity": 2.0}
"""What each ratio should be for views without noise; that of the baseline rises with r."""


def _standard_ids() -> tuple[str, ...]:
    """The bundled digits, which are there without a network; nothing is left of them at 0 rows."""
    rows = {"baseline": (2, 4, 6, 8), "processing": (2, 4, 6), "additivity": (2, 4, 6, 8)}
    return tuple(
        f"consistency-digits-{kind}-{test}-{r}"
        for kind in ("noisy", "plain")
        for test, every in rows.items()
        for r in every
    )


IDS: tuple[str, ...] = _standard_ids()

_PATTERN = re.compile(
    r"consistency-(?P<source>digits|mnist)-(?P<kind>noisy|plain)"
    r"-(?P<test>baseline|processing|additivity)-(?P<rows>\d+)"
)


def build(task_id: str) -> Task | None:
    """Build any member of the family; images are read and encoded when it is first sampled.

    Args:
        task_id: For example `"consistency-digits-noisy-processing-4"`.

    Returns:
        The task, or None if the id is not one of this family.

    Raises:
        MMGError: An image has fewer rows.
    """
    match = _PATTERN.fullmatch(task_id)
    if match is None:
        return None
    source, test, rows = match["source"], match["test"], int(match["rows"])
    highest = HEIGHTS[source] - (STEP[source] if test == "processing" else 0)
    if rows > highest:
        what = f"Task {task_id!r} needs more rows than an image of {source!r} has."
        raise MMGError(what, f"Give at most {highest}.")
    kept = (rows + STEP[source], rows) if test == "processing" else (rows,)
    views = NoisyViews if match["kind"] == "noisy" else PlainViews
    return Task(
        task_id=task_id,
        title=f"{test} of {source}, {rows} rows, {match['kind']} latents",
        base=views(source=source, kept=kept, copies=2 if test == "additivity" else 1),
        groups=frozenset({"consistency"}),
    )


def ratios(mi: Mapping[str, float]) -> dict[tuple[str, int], float]:
    """The outcome of each test, from estimates of one kind of task or from their truths.

    Args:
        mi: Task id -> mutual information, nats; of one source and one kind.

    Returns:
        (test, r) -> ratio, for every test of which both sides are there.
    """
    found = {}
    for task_id, value in mi.items():
        match = _PATTERN.fullmatch(task_id)
        if match is None:
            continue
        below = mi.get(_denominator(match))
        if below:
            found[match["test"], int(match["rows"])] = value / below
    return found


def _denominator(match: re.Match[str]) -> str:
    source, test, rows = match["source"], match["test"], int(match["rows"])
    than = {"baseline": HEIGHTS[source], "processing": rows + STEP[source], "additivity": rows}
    return f"consistency-{source}-{match['kind']}-baseline-{than[test]}"
