"""The keyword arguments that several functions share: each with its type, default and meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypedDict

from mmg_nb.runs.events import Listener
from mmg_nb.signatures import Keyword

__all__ = [
    "EVERY",
    "CompareKeywords",
    "DataKeywords",
    "DependencyMapKeywords",
    "EstimateKeywords",
    "IndependenceKeywords",
    "LagKeywords",
    "MapKeywords",
    "RankKeywords",
    "SeriesKeywords",
    "TotalKeywords",
]

EVERY = 60.0  # seconds between two writes of a checkpoint

# Those that several functions describe in the same words.
Device = Annotated[
    str, Keyword("auto", "`auto` (CUDA if available), `cpu`, `cuda` or `cuda:<index>`.")
]
Discrete = Annotated[Any, Keyword("auto", "Which columns are categories; see `mmg_nb.estimate`.")]
Listen = Annotated[
    Listener | None,
    Keyword(None, "Called with each event (`mmg_nb.runs.events`). A true return value stops."),
]
Seed = Annotated[int, Keyword(0, "Seed of all random numbers.")]
Folder = Annotated[
    str | Path | None,
    Keyword(
        None,
        """Folder that stores each estimate of the question as soon as it is made. The same call
        goes on from there after a stop or a crash. Several questions may share a folder.""",
    ),
]
Shown = Annotated[
    bool | None, Keyword(None, "Whether to show the progress; see `mmg_nb.estimate`.")
]
Workers = Annotated[
    int | None,
    Keyword(
        None,
        """Number of processes that make estimates at the same time. It does not change the
        estimates. Each process needs 2 s to start and some 400 MB. Default: 1. For an estimator
        that trains, in a notebook without a GPU: one per processor core, at most 4.""",
    ),
]


class DataKeywords(TypedDict, total=False):
    """Keyword arguments for the data of an estimate, besides x and y."""

    given: Annotated[
        Any,
        Keyword(None, "Condition z, `(n,)` or `(n, dim_z)`. The estimate is then I(x; y | z)."),
    ]
    groups: Annotated[
        Any,
        Keyword(
            None,
            """A label for each row, `(n,)`, e.g. the patient or the block of time. Rows with the
            same label may depend on each other, so they stay on one side of every split. An
            estimator that does not train uses the first row of each label only. Default: `rows`
            decides.""",
        ),
    ]
    discrete: Annotated[
        Any,
        Keyword(
            "auto",
            """Which columns are categories. `auto`: text, pandas categories, booleans, and
            whole numbers with at most 20 different values and at least 10 rows per value on
            average. Beside numbers in the same variable (or beside whole numbers of more than 10
            values, such as counts), they are numbers. Other whole numbers become
            categories if as labels they explain the other variable better on held-out rows than
            as quantities. A note names all whole numbers that are taken for categories. `none`:
            only columns that cannot be read as numbers. Names of variables or columns, e.g. `"y"`,
            `"sex,x[2]"` or `["sex"]`: these columns, and those that cannot be read as numbers.
            `"auto,x[2]"`: these columns, and those that `auto` finds. If the name of a column is a
            number, give its position, which counts from 0, e.g. `x[0]`.""",
        ),
    ]
    missing: Annotated[
        str,
        Keyword(
            "refuse",
            """`refuse`: missing values (NaN, None, NA) raise an error. `drop`: rows with missing
            values are left out, and a note gives their number. `category`: all rows are kept, and
            missing counts as a category.""",
        ),
    ]
    rows: Annotated[
        str,
        Keyword(
            "auto",
            """`auto`: a test looks for series, such as time series: neighbouring rows of x depend
            on each other, and so do those of y. If it finds them, blocks of rows stay together in
            every split, the standard error grows, and a note says so. `independent`: no test,
            because the order of the rows has no meaning. With `groups` there is no test.""",
        ),
    ]


class MapKeywords(TypedDict, total=False):
    """Keyword arguments that all questions about a table have."""

    given: Annotated[
        str | Sequence[str] | None,
        Keyword(
            None,
            """Name or names of the columns that are known already. All estimates are given these
            columns, and none is made of them.""",
        ),
    ]
    discrete: Annotated[
        Any,
        Keyword(
            "auto",
            "`auto`, `none`, or the names of the columns that are categories, e.g. `sex,ward`; "
            "see `mmg_nb.estimate`.",
        ),
    ]
    missing: Annotated[
        str,
        Keyword(
            "refuse",
            """`refuse`: columns with missing values are left out. `drop`: each estimate leaves out
            the rows in which one of its columns is missing. `category`: all rows are kept, and
            missing counts as a category.""",
        ),
    ]
    rows: Annotated[
        int | None,
        Keyword(
            2000,
            """Maximum number of rows, at least 50. A larger table is sampled at random. None: all
            rows. The order is kept, so that rows in series are recognised; see `rows` of
            `mmg_nb.estimate`. Shuffle the table if its order has no meaning.""",
        ),
    ]
    seed: Seed
    checkpoint: Folder
    progress: Shown


class DependencyMapKeywords(MapKeywords, total=False):
    """Keyword arguments of `mmg_nb.dependency_map`."""

    workers: Workers


class TotalKeywords(MapKeywords, total=False):
    """Keyword arguments of `mmg_nb.total_correlation`."""

    listen: Listen


class RankKeywords(TotalKeywords, total=False):
    """Keyword arguments of `mmg_nb.rank`."""

    sets: Annotated[
        Mapping[str, Sequence[str]] | None,
        Keyword(
            None,
            """Sets of columns that are ranked and chosen together, by name, e.g.
            `{"lipids": ["ldl", "hdl"]}`. All other columns are ranked one by one.""",
        ),
    ]
    pairs: Annotated[
        bool | None,
        Keyword(
            None,
            """Whether to try pairs of columns where no single column adds anything. Default: if
            there are at most 200 pairs.""",
        ),
    ]
    most: Annotated[
        int,
        Keyword(10, "How many columns are selected at most. Fewer, if no other adds anything."),
    ]
    device: Device


class SeriesKeywords(TypedDict, total=False):
    """Keyword arguments that questions about series have."""

    given: Annotated[Any, Keyword(None, "Condition z, a series like x and y.")]
    series: Annotated[
        Any,
        Keyword(
            None,
            """Labels of several series below each other, `(n,)`, e.g. `df.station`. Lags stay
            within a series. Default: a single series.""",
        ),
    ]
    discrete: Discrete
    missing: Annotated[
        str,
        Keyword(
            "refuse",
            """`refuse`: missing values raise an error. `drop`: moments with missing values are
            left out; the time between the others does not change. `category`: all moments are
            kept, and missing counts as a category.""",
        ),
    ]
    seed: Seed
    device: Device
    listen: Listen
    checkpoint: Folder
    progress: Shown


class LagKeywords(SeriesKeywords, total=False):
    """Keyword arguments of `mmg_nb.lagged`."""

    workers: Workers


class IndependenceKeywords(TypedDict, total=False):
    """Keyword arguments of `mmg_nb.independence_test`."""

    given: Annotated[Any, Keyword(None, "Condition z, `(n,)` or `(n, dim_z)`.")]
    groups: Annotated[
        Any,
        Keyword(None, "A label for each row, `(n,)`. Only the first row of each is used."),
    ]
    permutations: Annotated[
        int | None,
        Keyword(
            None,
            """Number of permutations; the least p-value is 1 / (permutations + 1). Default: 199,
            or 19 for an estimator that trains. Without a number, `mmg` trains once only.""",
        ),
    ]
    discrete: Discrete
    missing: Annotated[
        str, Keyword("refuse", "`refuse`, `drop` or `category`; see `mmg_nb.estimate`.")
    ]
    rows: Annotated[str, Keyword("auto", "`auto` or `independent`; see `mmg_nb.estimate`.")]
    seed: Seed
    device: Device
    listen: Listen
    checkpoint: Folder
    progress: Shown


class CompareKeywords(DataKeywords, total=False):
    """Keyword arguments of `mmg_nb.compare`."""

    seed: Annotated[
        int,
        Keyword(
            0, "Seed of all random numbers. The global random state is neither read nor changed."
        ),
    ]
    device: Device
    listen: Annotated[
        Listener | None,
        Keyword(
            None,
            """Called with each event of a run, such as a training step (`mmg_nb.runs.events`). If
            it returns true, the run ends with the estimate so far. In a comparison, no further
            estimator is run then.""",
        ),
    ]
    progress: Annotated[
        bool | None,
        Keyword(
            None,
            """Whether to show the progress: a live view in a notebook, elsewhere a line on stderr.
            Default: no with `listen`, outside the main thread, if the environment variable
            MMG_NB_PROGRESS is 0, or, outside notebooks, if stderr is no terminal; else yes. In a
            notebook, `%mmg config live=none` turns it off, too.""",
        ),
    ]


class EstimateKeywords(CompareKeywords, total=False):
    """Keyword arguments of `mmg_nb.estimate` and `mmg_nb.start`."""

    checkpoint: Annotated[
        str | Path | None,
        Keyword(
            None,
            """File that stores the run and its data. `mmg_nb.resume` continues the run from it,
            also in another process. The file must not hold another unfinished run.""",
        ),
    ]
    every: Annotated[
        float,
        Keyword(EVERY, "Seconds between two writes of the checkpoint. A stop writes it too."),
    ]
