"""Three consistency tests on images of digits, with known ratios of mutual information.

A is an image. B_r is the same image with all rows from r on set to 0 (Song and Ermon 2019,
arXiv 1910.06222). Each image is represented by 16 latents. A and every B_r have their own
auto-encoder (MINDE, arXiv 2310.09031; MMG, arXiv 2509.20609, Figure 4).

* baseline: I(A; B_r) / I(A; B_all) increases with r from 0 to 1;
* data processing: I(A; [B_r+k, B_r]) / I(A; B_r+k) is 1, because B_r is a function of B_r+k;
* additivity: I([A¹, A²]; [B¹_r, B²_r]) / I(A¹; B¹_r) is 2 for independent images 1 and 2.

In the `plain` tasks, A and B_r are functions of one image. I(A; B_r) may then be infinite, and
I(A; B_all) is infinite. The ratio of estimates shows how finely an estimator resolves dependence.

In the `noisy` tasks, every latent has independent noise; `NOISE` has its standard deviation. All
values are finite and known. Data processing is not exactly 1, because each view has its own
noise and a second view adds information. Its true value is known as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from mmg_nb.benchmark.digits import HEIGHTS
from mmg_nb.benchmark.distributions.views import NoisyViews, PlainViews
from mmg_nb.benchmark.tasks import Task
from mmg_nb.errors import MMGError

__all__ = ["FAMILIES", "IDEALS", "IDS", "ROWS", "STEP", "build", "ratios", "standard_ids"]

FAMILIES: tuple[str, ...] = (
    "consistency-<digits|mnist|mnist70000>-<noisy|plain>-<baseline|processing|additivity>-<rows>",
)

STEP = {"digits": 2, "mnist": 4, "mnist70000": 4}
"""Rows k that data processing adds. The value for MNIST is that of the paper."""

NOISE = {"digits": 1.0, "mnist": 3.0, "mnist70000": 3.0}
"""Standard deviation of the noise of noisy latents, in standard deviations of a latent."""

ROWS = (0, 5, 10, 15, 20, 25, 28)
"""Rows r in the paper."""

IDEALS = {"baseline": None, "processing": 1.0, "additivity": 2.0}
"""Ideal ratio for views without noise. The baseline has no ideal: its ratio increases with r."""


def standard_ids(source: str = "mnist") -> tuple[str, ...]:
    """Tasks of the paper's Figure 4 on MNIST, and the denominators of their ratios.

    Without any row, plain latents of B are constant, and I(A; B) is 0.

    Args:
        source: `mnist` or `mnist70000`.
    """
    step, height = STEP[source], HEIGHTS[source]
    processing = [r for r in ROWS if r + step <= height]
    baseline = sorted({*ROWS, *(r + step for r in processing)})
    wanted = {"baseline": baseline, "processing": processing, "additivity": ROWS[1:]}
    return tuple(
        f"consistency-{source}-{kind}-{test}-{r}"
        for kind in ("noisy", "plain")
        for test, every in wanted.items()
        for r in every
        if r or kind == "noisy"
    )


IDS: tuple[str, ...] = standard_ids()

_PATTERN = re.compile(
    r"consistency-(?P<source>digits|mnist|mnist70000)-(?P<kind>noisy|plain)"
    r"-(?P<test>baseline|processing|additivity)-(?P<rows>\d+)"
)


def build(task_id: str) -> Task | None:
    """Build any member of the family. Images are read and encoded on first sampling.

    Args:
        task_id: For example `"consistency-digits-noisy-processing-4"`.

    Returns:
        The task, or None if the id is not one of this family.

    Raises:
        MMGError: The task needs more rows than an image has.
    """
    match = _PATTERN.fullmatch(task_id)
    if match is None:
        return None
    source, test, rows = match["source"], match["test"], int(match["rows"])
    highest = HEIGHTS[source] - (STEP[source] if test == "processing" else 0)
    if rows > highest:
        what = f"Task {task_id!r} needs more rows than an image of {source!r} has."
        raise MMGError(what, f"Use at most {highest} rows.")
    kept = (rows + STEP[source], rows) if test == "processing" else (rows,)
    copies = 2 if test == "additivity" else 1
    views: NoisyViews | PlainViews = PlainViews(source=source, kept=kept, copies=copies)
    if match["kind"] == "noisy":
        views = NoisyViews(source=source, kept=kept, copies=copies, noise=NOISE[source])
    return Task(
        task_id=task_id,
        title=f"{test} of {source}, {rows} rows, {match['kind']} latents",
        base=views,
        groups=frozenset({"consistency"}),
    )


def ratios(mi: Mapping[str, float]) -> dict[tuple[str, int], float]:
    """Compute the ratio of each test, from estimates or from true values.

    Args:
        mi: Mutual information in nats by task id. All tasks have one source and one kind.

    Returns:
        Ratio by (test, r). Tests without a denominator in `mi` are left out.
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
