"""The checked and aligned rows of x, y and z, as all estimators get them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmg_nb.data.columns import Shape
from mmg_nb.errors import MMGError

__all__ = ["Pairs"]

FEW_SETS = 0.5  # of the rows; not measured
MOST_DIFFER = 0.9  # share of different values among different rows; not measured
MAX_ROWS_FOR_RANK = 1000  # rows that are enough to compute the effective rank of images

Array = NDArray[np.float64]
Columns = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Rows of x and y, and of the condition z if there is one.

    Columns of categories hold codes 0, 1, ….

    Attributes:
        x: `(n, dim_x)`, finite, without constant columns.
        y: `(n, dim_y)`, finite, without constant columns.
        clusters: Labels 0, 1, …, `(n,)`. No split separates rows with one label.
        notes: What the user should know about the data.
        given: Conditioning variable z, `(n, dim_z)`; None for I(x; y).
        discrete_x: Columns of x that are categories.
        discrete_y: Columns of y that are categories.
        discrete_z: Columns of z that are categories.
        shape_x: Channels, height and width if x holds images. The columns are the pixels.
        shape_y: The same for y.
        inflation: Factor by which rows in series inflate the variance of a mean; 1 otherwise.
        names: The user's names of x, y and z, from their columns; empty texts if unnamed.
        texts: Names of columns, categories and rows, see `texts_of`.
    """

    x: Array
    y: Array
    clusters: NDArray[np.int64]
    notes: tuple[str, ...] = ()
    given: Array | None = None
    discrete_x: Columns = ()
    discrete_y: Columns = ()
    discrete_z: Columns = ()
    shape_x: Shape | None = None
    shape_y: Shape | None = None
    inflation: float = 1.0
    names: tuple[str, ...] = ()
    texts: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def has_images(self) -> bool:
        """Whether x or y are images."""
        return self.shape_x is not None or self.shape_y is not None

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return len(self.x)

    @property
    def effective_rows(self) -> float:
        """Number of independent rows that are worth as much; fewer than all for rows in series."""
        return self.n_samples / self.inflation

    @property
    def first_of_each(self) -> NDArray[np.int64]:
        """The first row of each group, set of copies or block of a series, in order."""
        return np.sort(np.unique(self.clusters, return_index=True)[1])

    @property
    def mostly_copies(self) -> bool:
        """Whether most rows of numbers are copies of others, not only equal by chance.

        Then x alone has about as many different values as x and y together, and so has y.
        """
        sets = int(self.clusters.max()) + 1
        numbers = not (self.discrete_x or self.discrete_y)
        if self.inflation > 1 or not numbers or sets >= FEW_SETS * self.n_samples:
            return False
        return all(
            max(len(np.unique(column)) for column in values.T) > MOST_DIFFER * sets
            for values in (self.x, self.y)
        )

    @property
    def dim_x(self) -> int:
        """Number of columns of x."""
        return self.x.shape[1]

    @property
    def dim_y(self) -> int:
        """Number of columns of y."""
        return self.y.shape[1]

    @property
    def dim_z(self) -> int:
        """Number of columns of z; 0 without a conditioning variable."""
        return self.z.shape[1]

    @property
    def z(self) -> Array:
        """The conditioning variable, `(n, dim_z)`; zero columns if there is none."""
        return self.x[:, :0] if self.given is None else self.given

    @property
    def freedom_x(self) -> int:
        """Degrees of freedom of x: one per numeric column, k − 1 for a column of k categories.

        For images, the effective rank of the pixels.
        """
        return _freedom(self.x, self.discrete_x, self.shape_x)

    @property
    def freedom_y(self) -> int:
        """Degrees of freedom of y, like `freedom_x`."""
        return _freedom(self.y, self.discrete_y, self.shape_y)

    @property
    def entropies(self) -> dict[str, float]:
        """Entropy in nats of those of x and y that hold categories only, without a condition."""
        found = {}
        for name, values, discrete in (
            ("x", self.x, self.discrete_x),
            ("y", self.y, self.discrete_y),
        ):
            if len(discrete) == values.shape[1] and self.given is None:
                shares = np.unique(values, axis=0, return_counts=True)[1] / len(values)
                found[name] = float(-np.sum(shares * np.log(shares)))
        return found

    def with_numbers(self, name: str, values: Array) -> Pairs:
        """The same rows with other numbers in the place of a variable, and without notes.

        Args:
            name: `x` or `y`.
            values: `(n, d)`, finite.
        """
        if name == "x":
            return replace(self, x=values, discrete_x=(), shape_x=None, notes=())
        return replace(self, y=values, discrete_y=(), shape_y=None, notes=())

    def with_variables(
        self,
        x: tuple[Array, Columns],
        y: tuple[Array, Columns],
        z: tuple[Array, Columns],
        **others: Any,
    ) -> Pairs:
        """Other values of all variables, each with its columns of categories.

        Args:
            x: `(n, dim_x)`, and the columns of categories.
            y: The same for y.
            z: The same for the condition; no columns for none.
            **others: Other attributes that change, e.g. the clusters of the rows.
        """
        return replace(
            self,
            x=x[0],
            y=y[0],
            given=z[0] if z[0].shape[1] else None,
            discrete_x=x[1],
            discrete_y=y[1],
            discrete_z=z[1],
            **others,
        )

    def one_of_each(self) -> Pairs:
        """Only the first row of each group or set of copies; these are independent.

        Raises:
            MMGError: A column is constant in these rows.
        """
        first = self.first_of_each
        given = None if self.given is None else self.given[first]
        for name, values in (("x", self.x[first]), ("y", self.y[first]), ("given", given)):
            if values is not None and not np.ptp(values, axis=0).all():
                what = f"A column of {name} is constant in the rows used, the first of each group."
                raise MMGError(what, f"Leave this column of {name} out.")
        rows = self.texts.get("rows") or tuple(map(str, range(self.n_samples)))
        note = (
            f"Only the first row of each group (or set of equal rows) was used, {len(first)} of "
            f"{self.n_samples} rows: rows of a group are not independent. Nothing to do."
        )
        return replace(
            self,
            x=self.x[first],
            y=self.y[first],
            given=given,
            clusters=np.arange(len(first)),
            notes=(*self.notes, note),
            texts={**self.texts, "rows": tuple(rows[i] for i in first)},
        )

    def with_own_data(self) -> Pairs:
        """The same samples in new arrays, which do not share memory with the user's arrays."""
        given = None if self.given is None else self.given.copy()
        return replace(self, x=self.x.copy(), y=self.y.copy(), given=given)


def _freedom(values: Array, discrete: Columns, shape: Shape | None) -> int:
    if shape is not None:
        return _effective_rank(values[:MAX_ROWS_FOR_RANK])
    return values.shape[1] + sum(len(np.unique(values[:, i])) - 2 for i in discrete)


def _effective_rank(values: Array) -> int:
    """Participation ratio (tr C)² / tr C² of the covariance C.

    It is far below the number of pixels, because neighbouring pixels are correlated.
    """
    centred = values - values.mean(axis=0)
    # Both products have equal traces, so the smaller one is computed.
    gram = centred @ centred.T if len(values) < values.shape[1] else centred.T @ centred
    square = float(np.sum(gram**2))
    return max(1, round(float(np.trace(gram)) ** 2 / square)) if square else 1
