"""What the notebooks that reproduce the paper share: kept records, published values, switches.

`MMG_NB_FULL=1 jupyter execute --inplace 03_bmi40.ipynb` runs the full mode: the notebook computes
the cells that the kept files lack, and appends them. Without it, a notebook runs a small
example and shows the kept records.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from mmg_nb.benchmark import load
from mmg_nb.benchmark.progress import Progress, console
from mmg_nb.benchmark.tables import tolerance
from mmg_nb.plots.result import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

__all__ = [
    "FORM_LOOKS",
    "FULL",
    "PUBLISHED",
    "RESULTS",
    "joint_legend",
    "kept",
    "listener",
    "look_of",
    "summary",
    "variants",
]

FULL = os.environ.get("MMG_NB_FULL", "") not in ("", "0")
RESULTS = Path(__file__).parent / "results"
PUBLISHED = json.loads((RESULTS / "published.json").read_text(encoding="utf-8"))

FORM_LOOKS = {  # line styles differ, for prints in grey
    "difference": {"color": ORANGE, "ls": "-", "lw": 0.9},
    "inner": {"color": BLUE, "ls": "-", "lw": 2.2},
    "difference, paired": {"color": PURPLE, "ls": ":", "lw": 2.6},
    "orthogonal": {"color": GREEN, "ls": "--", "lw": 1.6},
}

_LOOKS = {
    "gcmi": (GREY, ":", "X"),
    "mmg": (BLUE, "-", "o"),
    "ksg": (GREEN, "-.", "s"),
    "cca": (PURPLE, ":", "v"),
    "minde": ("black", (0, (3, 1, 1, 1)), "P"),
    "MMG-adaptive": (ORANGE, "--", "^"),
    "MMG-orthogonal-adaptive": (GREEN, "-.", "D"),
    "MMG-orthogonal": (PURPLE, (0, (1, 1)), "s"),
    "MMG": (SKY, (0, (5, 2)), "v"),
}

_FORMS = {"difference": "MMG", "orthogonal": "MMG-orthogonal", "inner": "MMG-inner"}


def _quiet(progress: Progress) -> None:
    """Print nothing, because times differ from run to run."""


listener = console() if FULL else _quiet


def kept(*names: str, suite: str) -> pd.DataFrame:
    """The records of a suite in the files `results/<name>.jsonl`, as far as these exist."""
    paths = [RESULTS / f"{name}.jsonl" for name in names]
    frame = load([path for path in paths if path.exists()])
    if frame.empty:
        return frame
    return frame[[suite in tags for tags in frame["tags"]]].reset_index(drop=True)


def variants(frame: pd.DataFrame) -> pd.DataFrame:
    """Replace each record of `published` by one row for each of its variants.

    Training is the same for every form of the gap, so one record holds three variants. The number
    of steps is added to the name unless it is the paper's own.
    """
    ours = frame["estimator"] == "published"
    parts = [frame[~ours]]
    for form, name in _FORMS.items():
        part = frame[ours].copy()
        part["mi"], part["stderr"] = part[f"mi_{form}"], part[f"stderr_{form}"]
        part["error"] = part["mi"] - part["mi_true"]
        part["label"] = [_variant(name, fields) for fields in part["fields"]]
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _variant(name: str, fields: dict) -> str:
    adaptive = "-adaptive" if fields["adaptive"] else ""
    steps = "" if fields["steps"] is None else f" ({fields['steps']} steps)"
    return name + adaptive + steps


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Accuracy by estimator and n, as in `mmg_nb.benchmark.table`.

    The error of a task is the mean over seeds of |estimate − truth|. A task is solved if its error
    is at most max(0.05 nats, 5 % of the truth). Cells that failed are left out and counted.
    """
    frame = frame.assign(abs_error=frame["error"].abs())
    by = ["label", "n"]
    tasks = frame.groupby([*by, "task"], sort=False)[["abs_error", "mi_true"]].mean().dropna()
    tasks["solved"] = tasks["abs_error"] <= tasks["mi_true"].map(tolerance)
    rows = tasks.groupby(by, sort=False).agg(
        tasks=("solved", "size"), solved=("solved", "sum"), mean_abs_error=("abs_error", "mean")
    )
    cells = frame.groupby(by, sort=False)
    rows["seeds"], rows["failed"] = cells["seed"].nunique(), cells["error"].apply(_missing)
    return rows.reset_index()


def _missing(errors: pd.Series) -> int:
    return int(errors.isna().sum())


def look_of(label: str) -> dict:
    """Colour, line and marker of an estimator or variant, for any values of its fields."""
    bare = label.split(" (")[0].split(":")[0]
    colour, line, marker = _LOOKS.get(bare, ("black", (0, (5, 1, 1, 1)), "*"))
    return {"color": colour, "ls": line, "marker": marker}


def joint_legend(fig: Figure, columns: int = 4) -> Legend:
    """One legend below all panels, with each label once."""
    entries = {}
    for ax in fig.axes:
        entries |= dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    where = {"loc": "outside lower center", "ncols": columns, "frameon": False}
    return fig.legend(entries.values(), entries.keys(), **where)
