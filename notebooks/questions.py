"""Measure the questions of `mmg_nb` on data with known answers: levels, power, selections, series.

    python notebooks/questions.py levels --seeds 1000  # or power, power_500, selections, series
    python notebooks/questions.py levels --seeds 125 --tests mmg

Each line of `results/questions/NAME.jsonl` holds one test on a block of data sets. What exists is
not computed again, so the same call continues after a stop. `ennemi` and `infomeasure` are
compared with if they are installed. `mmg` takes 100 steps, or 30 with a condition. The test
`mmg quick` has the effort quick instead.
"""

from __future__ import annotations

import argparse
import json
import time
import zlib
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import mmg_nb

__all__ = ["FOLDER", "kept"]

FOLDER = Path(__file__).parent / "results" / "questions"
OUTSIDE = ("ennemi", "infomeasure")
PERMUTATIONS = 19  # the least p-value is 0.05, so a test at 5 % rejects at this one only
SURROGATES = 39  # of transfer entropies
Data = tuple[Any, ...]
Draw = Callable[[np.random.Generator], Data]


def ar(rng: np.random.Generator, memory: float, n: int) -> np.ndarray:
    """An autoregression of first order."""
    from scipy.signal import lfilter

    return lfilter([1], [1, -memory], rng.normal(size=n + 50))[50:]


def common(shape: Callable, other: Callable, n: int = 200) -> Draw:
    """x and y that depend on each other through z only."""

    def draw(rng: np.random.Generator) -> Data:
        z, a, b = rng.normal(size=(3, n))
        return shape(z) + 0.5 * a, other(z) + 0.5 * b, z

    return draw


def wards(rng: np.random.Generator) -> Data:
    """x and y have different means in each of four categories."""
    z = rng.integers(0, 4, 200)
    return z + rng.normal(size=200), z**2 + rng.normal(size=200), z


NULL: dict[str, Draw] = {
    "normal": lambda rng: tuple(rng.normal(size=(2, 100))),
    "Cauchy": lambda rng: tuple(rng.standard_cauchy(size=(2, 100))),
    "rounded": lambda rng: tuple(np.round(rng.normal(size=(2, 100)), 1)),
    "three columns each": lambda rng: tuple(rng.standard_t(3, size=(2, 100, 3))),
    "AR(1), 0.8": lambda rng: (ar(rng, 0.8, 200), ar(rng, 0.8, 200)),
    "given z, linear": common(lambda z: z, lambda z: z),
    "given z, curved": common(lambda z: z**2 - 1, lambda z: np.cos(2 * z)),
    "given z, categories": wards,
}


def dependent(n: int) -> dict[str, Draw]:
    """Kinds of dependence, with `n` rows."""

    def of_x(shape: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Draw:
        def draw(rng: np.random.Generator) -> Data:
            x, noise = rng.normal(size=(2, n))
            return x, shape(x, noise)

        return draw

    def circle(rng: np.random.Generator) -> Data:
        angle = rng.uniform(0, 2 * np.pi, n)
        return tuple(np.array([np.cos(angle), np.sin(angle)]) + 0.3 * rng.normal(size=(2, n)))

    def parity(rng: np.random.Generator) -> Data:
        x = rng.normal(size=(n, 2))
        return x, np.prod(np.sign(x), axis=1) * np.abs(rng.normal(size=n))

    return {
        "line, ρ = 0.3": of_x(lambda x, e: 0.3145 * x + e),
        "parabola": of_x(lambda x, e: 0.5 * x**2 + e),
        "wave": of_x(lambda x, e: np.sin(4 * x) + 0.7 * e),
        "scale": of_x(lambda x, e: np.exp(0.6 * x) * e),
        "circle": circle,
        "parity of two": parity,
    }


KINDS = {"levels": NULL, "power": dependent(100), "power_500": dependent(500)}


def centred(values: np.ndarray) -> np.ndarray:
    """A matrix with zero means of rows and columns."""
    values = values - values.mean(0)
    return values - values.mean(1, keepdims=True)


def distances(values: np.ndarray) -> np.ndarray:
    """Distance covariance (Székely, Rizzo & Bakirov 2007): centred distances."""
    from scipy.spatial.distance import cdist

    table = np.reshape(values, (len(values), -1))
    return centred(cdist(table, table))


def kernels(values: np.ndarray) -> np.ndarray:
    """HSIC (Gretton et al. 2007): centred Gaussian kernels, as wide as the median distance."""
    from scipy.spatial.distance import cdist

    table = np.reshape(values, (len(values), -1))
    apart = cdist(table, table)
    return centred(np.exp(-0.5 * (apart / np.median(apart[apart > 0])) ** 2))


def by_matrices(matrix: Callable, x: np.ndarray, y: np.ndarray, seed: int) -> float:
    """The p-value of the mean product of two matrices, by permutations."""
    a, b = matrix(x), matrix(y)
    rng = np.random.default_rng(seed)
    orders = (rng.permutation(len(b)) for _ in range(PERMUTATIONS))
    null = [np.sum(a * b[np.ix_(order, order)]) for order in orders]
    return (1 + sum(each >= np.sum(a * b) for each in null)) / (PERMUTATIONS + 1)


def p_of(test: str, data: Data, seed: int) -> float:
    """The p-value of a test."""
    x, y, *z = data
    if test in ("distance covariance", "HSIC"):
        return by_matrices(kernels if test == "HSIC" else distances, x, y, seed)
    asked: dict[str, Any] = {"given": z[0]} if z else {}
    asked |= {"seed": seed, "progress": False}
    if not test.startswith("mmg"):
        found = mmg_nb.independence_test(x, y, test, permutations=PERMUTATIONS, **asked)
        return found.p_value
    if test == "mmg quick":
        return mmg_nb.estimate(x, y, "mmg", effort="quick", **asked).p_value
    folds = 2 if test == "mmg in 2 folds" else None
    steps = 30 if z else 100  # levels hold for any members, power needs those that have learned
    return mmg_nb.estimate(x, y, "mmg", steps=steps, draws=4, folds=folds, **asked).p_value


def fits(test: str, kind: str) -> bool:
    """Whether a test is made for such data."""
    if test.startswith("mmg"):  # rows that depend on each other, or repeat, need retraining
        return kind not in ("AR(1), 0.8", "rounded")
    simple = test in ("distance covariance", "HSIC")
    return not (simple and kind.startswith(("given", "AR")))


def tests_of(kinds: dict[str, Draw], tests: list[str]) -> Iterator[tuple[str, str, Callable]]:
    """Kind, test, and what computes a record from a seed."""
    for kind, draw in kinds.items():
        for test in tests:
            if fits(test, kind):
                yield kind, test, _tester(kind, draw, test)


def _tester(kind: str, draw: Draw, test: str) -> Callable[[int], dict[str, Any]]:
    def compute(seed: int) -> dict[str, Any]:
        # Kinds have different data for the same seed.
        rng = np.random.default_rng((seed, zlib.crc32(kind.encode())))
        return {"p": p_of(test, draw(rng), seed)}

    return compute


def table_of(seed: int, kind: str) -> tuple[pd.DataFrame, set[str]]:
    """A table of 500 rows, and the columns that a selection should find.

    `copy` repeats `a` with noise, so it tells about the target but adds nothing to `a`.
    """
    rng = np.random.default_rng((seed, 7))
    columns = {name: rng.normal(size=500) for name in "abcdefghij"}
    a, b, c = (columns[name] for name in "abc")
    signal = {
        "redundant": a + 0.8 * b**2,
        "interaction only": 1.5 * np.sign(a * b) + 0.8 * c,
        "irrelevant only": np.zeros(500),
    }[kind]
    columns["copy"] = a + 0.3 * rng.normal(size=500)
    target = signal + 0.5 * rng.normal(size=500)
    wanted = {"redundant": {"a", "b"}, "interaction only": {"a", "b", "c"}}.get(kind, set())
    return pd.DataFrame({**columns, "target": target}), wanted


SELECTIONS = ("redundant", "interaction only", "irrelevant only")
SELECTORS = ("rank", "f_regression", "mutual_info_regression")


def selected(selector: str, table: pd.DataFrame, count: int, seed: int) -> set[str]:
    """The columns that a selector chooses. Those of scikit-learn are told how many there are."""
    from sklearn import feature_selection

    x, y = table.drop(columns="target"), table.target
    if selector == "rank":
        found = mmg_nb.rank(table, "target", seed=seed, progress=False).selected
        return {name for unit in found for name in ([unit] if isinstance(unit, str) else unit)}
    if not count:  # by the p-values of F tests, as it has no number
        return set(x.columns[feature_selection.SelectFwe(alpha=0.05).fit(x, y).get_support()])
    score = getattr(feature_selection, selector)
    return set(feature_selection.SelectKBest(score, k=count).fit(x, y).get_feature_names_out())


def selection(kind: str, selector: str) -> Callable[[int], dict[str, Any]]:
    """What computes the record of a selection from a seed."""

    def compute(seed: int) -> dict[str, Any]:
        table, wanted = table_of(seed, kind)
        found = selected(selector, table, len(wanted), seed)
        return {
            "found": len(found & wanted),
            "wanted": len(wanted),
            "redundant": len(found & {"copy"}),
            "irrelevant": len(found - wanted - {"copy"}),
        }

    return compute


def coupled(seed: int, n: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """x drives y: x ← 0.6 x + e, y ← 0.5 y + 0.4 x(t − 1) + e'."""
    rng = np.random.default_rng((seed, 11))
    noise = rng.normal(size=(2, n + 100))
    x, y = np.zeros((2, n + 100))
    for t in range(1, n + 100):
        x[t] = 0.6 * x[t - 1] + noise[0, t]
        y[t] = 0.5 * y[t - 1] + 0.4 * x[t - 1] + noise[1, t]
    return x[100:], y[100:]


def delayed(seed: int, n: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """y follows the square of x seven rows before."""
    rng = np.random.default_rng((seed, 13))
    x = ar(rng, 0.5, n + 7)
    return x[7:], x[:-7] ** 2 + rng.normal(size=n)


def long_memory(seed: int, n: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """Two independent autoregressions with 0.95."""
    rng = np.random.default_rng((seed, 17))
    return ar(rng, 0.95, n), ar(rng, 0.95, n)


def exact_transfer() -> float:
    """I(y(t); x(t − 1) | y(t − 1)) of `coupled`, nats, from its stationary covariance."""
    from scipy.linalg import solve_discrete_lyapunov

    step = np.array([[0.6, 0.0], [0.4, 0.5]])
    now = solve_discrete_lyapunov(step, np.eye(2))
    lagged = step @ now
    cov = np.block([[now, lagged], [lagged.T, now]])  # x, y, x before, y before

    def left(known: list[int]) -> float:
        inner = cov[np.ix_(known, known)]
        return float(cov[1, 1] - cov[1, known] @ np.linalg.solve(inner, cov[known, 1]))

    return 0.5 * float(np.log(left([3]) / left([2, 3])))


def by_ennemi(source: np.ndarray, target: np.ndarray) -> float:
    """Transfer entropy by the package ennemi, nats."""
    import ennemi

    return np.ravel(ennemi.estimate_mi(target[1:], source[:-1], cond=target[:-1])).item()


def by_infomeasure(source: np.ndarray, target: np.ndarray) -> float:
    """Transfer entropy by the package infomeasure, nats."""
    import infomeasure

    return float(infomeasure.transfer_entropy(source, target, approach="metric"))


def transfer(estimator: str, draw: Callable, truth: tuple[float, float]) -> Callable:
    """What computes both transfer entropies from a seed."""

    def compute(seed: int) -> dict[str, Any]:
        x, y = draw(seed)
        if estimator not in OUTSIDE:
            found = mmg_nb.transfer_entropy(
                x, y, estimator, seed=seed, surrogates=SURROGATES, progress=False
            )
            values, errors, p = found.mi, found.stderr, found.p_value
            return {"mi": [*values], "stderr": [*errors], "p": [*p], "truth": [*truth]}
        one = by_ennemi if estimator == "ennemi" else by_infomeasure
        nothing = [None, None]
        values = [one(x, y), one(y, x)]
        return {"mi": values, "stderr": nothing, "p": nothing, "truth": [*truth]}

    return compute


def best_lag(estimator: str, draw: Callable, truth: int | None) -> Callable:
    """What computes the best lag from a seed."""

    def compute(seed: int) -> dict[str, Any]:
        x, y = draw(seed)
        lags = range(11)
        if estimator == "ennemi":
            import ennemi

            profile = np.ravel(np.asarray(ennemi.estimate_mi(y, x, lag=list(lags))))
            best = int(profile.argmax())
            return {"lag": best, "mi": float(profile[best]), "shown": None, "truth": truth}
        found = mmg_nb.lagged(x, y, estimator, lags=lags, seed=seed, progress=False)
        profile = found.to_frame()
        shown = bool((profile.low > 0).any())
        return {"lag": found.best, "mi": float(profile.mi.max()), "shown": shown, "truth": truth}

    return compute


def series_of() -> Iterator[tuple[str, str, Callable]]:
    """Kind, test, and what computes a record, of the questions about series."""
    for name in ("ksg", "gcmi", *(each for each in OUTSIDE if find_spec(each))):
        yield "transfer, coupled", name, transfer(name, coupled, (exact_transfer(), 0.0))
        yield "transfer, long memory", name, transfer(name, long_memory, (0.0, 0.0))
        if name != "infomeasure":
            yield "lag, delayed square", name, best_lag(name, delayed, 7)
            yield "lag, long memory", name, best_lag(name, long_memory, None)


def work(name: str, tests: list[str]) -> Iterator[tuple[str, str, Callable]]:
    """Kind, test, and what computes a record from a seed."""
    if name in KINDS:
        yield from tests_of(KINDS[name], tests)
    elif name == "selections":
        for kind in SELECTIONS:
            yield from ((kind, each, selection(kind, each)) for each in SELECTORS)
    else:
        yield from series_of()


def kept(name: str) -> pd.DataFrame:
    """The records of a file, one row for each data set and test."""
    path = FOLDER / f"{name}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    blocks = [pd.DataFrame(json.loads(line)) for line in lines]
    return pd.concat(blocks, ignore_index=True) if blocks else pd.DataFrame()


def run(name: str, seeds: int, tests: list[str], block: int) -> None:
    """Compute the records that are missing. Each line has those of a block of seeds."""
    known = kept(name)
    keys = ["kind", "test", "seed"]
    done = set(known[keys].itertuples(index=False, name=None)) if len(known) else set()
    FOLDER.mkdir(parents=True, exist_ok=True)
    asked = list(work(name, tests))
    with (FOLDER / f"{name}.jsonl").open("a", encoding="utf-8") as file:
        for first in range(0, seeds, block):
            for kind, test, compute in asked:
                some = range(first, min(first + block, seeds))
                todo = [seed for seed in some if (kind, test, seed) not in done]
                if todo:
                    began = time.process_time()
                    found = [compute(seed) for seed in todo]
                    seconds = round((time.process_time() - began) / len(todo), 4)
                    record = {"kind": kind, "test": test, "cpu": seconds, "seed": todo}
                    record |= {key: [each[key] for each in found] for key in found[0]}
                    text = json.dumps(_plain(record), ensure_ascii=False)
                    file.write(text + "\n")
                    file.flush()


def _plain(record: dict[str, Any]) -> Any:
    """The record with five decimals and without types of NumPy."""
    return json.loads(json.dumps(record, default=float), parse_float=lambda t: round(float(t), 5))


if __name__ == "__main__":
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("name", choices=(*KINDS, "selections", "series"))
    reader.add_argument("--seeds", type=int, default=3)
    reader.add_argument("--tests", default="gcmi,ksg,distance covariance,HSIC")
    reader.add_argument("--block", type=int, default=50, help="seeds in one line of the file")
    given = reader.parse_args()
    run(given.name, given.seeds, given.tests.split(","), given.block)
