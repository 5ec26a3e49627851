"""Sweeps on a Dask cluster of two real worker processes."""

from __future__ import annotations

import os
import signal

import pytest

from mmg_nb.benchmark import run
from mmg_nb.benchmark.records import read_records

distributed = pytest.importorskip("distributed")

# Warnings of other people's event loops are none of ours.
pytestmark = pytest.mark.filterwarnings("default")

GRID = {
    "tasks": "1v1-normal-0.75,outside-ring-0.2",
    "estimators": "gcmi",
    "n": 20_000,
    "seeds": 20,
}
TIMES = ("seconds", "ended", "attempt")


def content(path):
    records = read_records(path)
    found = {r["id"]: {k: v for k, v in r.items() if k not in TIMES} for r in records}
    assert len(found) == len(records)
    return found


def quiet(progress):
    """A listener that only listens."""


def test_a_killed_dask_worker_loses_nothing_and_repeats_nothing(tmp_path):
    serial = run(**GRID, out=tmp_path / "serial", listen=quiet)
    cluster = distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
    )
    with cluster, distributed.Client(cluster) as client:
        workers = list(client.run(os.getpid).values())
        assert len(set(workers)) == 2
        killed = []

        def listen(progress):
            if len(progress.records) == 5 and not killed:
                killed.append(workers[0])
                os.kill(workers[0], signal.SIGKILL)

        sweep = run(**GRID, out=tmp_path / "dask", executor=client.get_executor(), listen=listen)
        assert killed
        assert not sweep.stopped
    assert content(sweep.path) == content(serial.path)
