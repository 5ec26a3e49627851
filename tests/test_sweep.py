"""Sweeps: nothing that is done is lost, and nothing is done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from sweep_work import Told, Trained, blas_threads, die_always, die_once, prepared, slow
from threadpoolctl import threadpool_limits

from mmg_nb import estimate
from mmg_nb.benchmark import load, run, task
from mmg_nb.benchmark.cells import grid
from mmg_nb.benchmark.commands import main
from mmg_nb.benchmark.dispatch import Dispatcher
from mmg_nb.benchmark.executors import SerialExecutor
from mmg_nb.benchmark.records import read_records
from mmg_nb.benchmark.worker import ESTIMATOR_SEED_OFFSET, compute
from mmg_nb.errors import MMGError
from mmg_nb.runs.processes import WorkerProcesses

ROOT = Path(__file__).parents[1]
TASK = "1v1-normal-0.75"
SLOW = {"tasks": TASK, "estimators": "gcmi", "n": 20_000, "seeds": 40}
TIMES = ("seconds", "ended")


def quiet(progress):
    """A listener that only listens."""


def content(path):
    """The records of a file without times, by cell; a cell must not be there twice."""
    records = read_records(path)
    found = {r["id"]: {k: v for k, v in r.items() if k not in TIMES} for r in records}
    assert len(found) == len(records)
    return found


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """What a sweep writes that nothing disturbs."""
    sweep = run(**SLOW, out=tmp_path_factory.mktemp("sweep") / "whole", listen=quiet)
    return content(sweep.path)


@pytest.fixture
def told(register):
    register(Told)


def started(out, *more):
    """The slow sweep in a process group of its own, once it has written some cells."""
    words = [word for key, value in SLOW.items() if key != "tasks" for word in (f"--{key}", value)]
    process = subprocess.Popen(
        [sys.executable, "-m", "mmg_nb.benchmark", "run", TASK, "--out", out]
        + [str(word) for word in (*words, *more)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not (out.exists() and out.read_bytes().count(b"\n") >= 3):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return process


def alive(pid):
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def children(pid):
    return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("more", [(), ("--workers", 2)], ids=["serial", "pool"])
def test_a_killed_sweep_continues_as_if_nothing_had_happened(tmp_path, uninterrupted, more):
    out = tmp_path / "x.jsonl"
    process = started(out, *more)
    workers = children(process.pid)
    assert len(workers) >= (2 if more else 0)
    process.kill()
    process.communicate()
    done = content(out)
    assert 3 <= len(done) < 40
    deadline = time.monotonic() + 10
    while any(map(alive, workers)):
        assert time.monotonic() < deadline, "workers outlive their coordinator"
        time.sleep(0.02)
    run(**SLOW, out=out, listen=quiet)
    assert content(out) == uninterrupted


@pytest.mark.parametrize("more", [(), ("--workers", 2)], ids=["serial", "pool"])
def test_an_interrupted_sweep_stops_and_keeps_what_is_done(tmp_path, uninterrupted, more):
    out = tmp_path / "x.jsonl"
    process = started(out, *more)
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    said, complained = process.communicate(timeout=30)
    assert time.monotonic() - began < 5
    assert process.returncode == 130
    assert "of 40 cells, 0 failed, stopped" in said
    assert "Traceback" not in complained
    assert 3 <= len(content(out)) < 40
    assert out.read_bytes().endswith(b"\n")
    run(**SLOW, out=out, listen=quiet)
    assert content(out) == uninterrupted


def test_a_pool_gives_the_numbers_of_a_serial_run(tmp_path):
    grid_of = {"tasks": "outside-*-5,student*", "estimators": "gcmi", "n": [300, 2000], "seeds": 1}
    serial = run(**grid_of, out=tmp_path / "a", listen=quiet)
    pool = run(**grid_of, out=tmp_path / "b", workers=2, listen=quiet)
    with ThreadPoolExecutor(2) as executor:
        threads = run(**grid_of, out=tmp_path / "c", executor=executor, listen=quiet)
    assert serial.total == len(serial.records) == 22
    assert content(pool.path) == content(serial.path) == content(threads.path)


def test_only_what_lacks_a_record_is_run(tmp_path):
    out = tmp_path / "x"
    first = run(TASK, "gcmi", 100, 2, out, listen=quiet)
    before = first.path.read_bytes()
    assert run(TASK, "gcmi", 100, 2, out, listen=quiet).path.read_bytes() == before
    more = run(TASK, "gcmi", 100, 3, out, listen=quiet)
    assert more.path.read_bytes().startswith(before)
    assert [record["seed"] for record in read_records(more.path)] == [0, 1, 2]


def test_a_record_is_what_estimate_gives(tmp_path):
    (record,) = run(
        TASK, "gcmi:correct_bias=false", 500, [7], tmp_path / "x", listen=quiet
    ).records
    result = estimate(
        *task(TASK).sample(500, 7), "gcmi", seed=7 + ESTIMATOR_SEED_OFFSET, correct_bias=False
    )
    assert (record["mi"], record["stderr"]) == (result.mi, result.stderr)
    assert record["interval"] == list(result.interval())
    assert record["mi_true"] == task(TASK).mi_true
    assert record["fields"] == result.fields
    assert record["versions"] == result.provenance["versions"]
    assert (record["device"], record["status"]) == ("cpu", "converged")
    assert 0 < record["seconds"] < 5


def test_the_estimator_does_not_draw_from_the_bits_of_the_data(tmp_path, told):
    (record,) = run(TASK, "told:do=seed", 50, [7], tmp_path / "x", listen=quiet).records
    assert record["mi"] == 7 + ESTIMATOR_SEED_OFFSET


def test_forms_and_notes_are_kept(tmp_path, told):
    (record,) = run(TASK, "told", 50, 1, tmp_path / "x", listen=quiet).records
    expected = {"inner": {"mi": 0.4, "stderr": 0.1}, "difference": {"mi": 0.3, "stderr": 0.2}}
    assert record["forms"] == expected
    assert (record["gap"], record["notes"], record["seconds"]) == ("inner", ["told"], 0.5)


def test_a_value_that_is_no_number_is_written_as_none(tmp_path, told):
    (record,) = run(TASK, "told:do=nan", 50, 1, tmp_path / "x", listen=quiet).records
    assert (record["mi"], record["interval"], record["status"]) == (None, None, "diverged")


def test_curves_are_kept_on_request_and_added_where_they_lack(tmp_path):
    short = "gcmi,published:steps=2,draws=2"
    ask = {"tasks": TASK, "n": 50, "seeds": 1, "out": tmp_path / "x", "listen": quiet}
    assert "curve" not in run(**ask, estimators=short).records[1]
    first, second = run(**ask, estimators=short, curves=True).records
    assert first["curve"] is None
    x, y = task(TASK).sample(50, 0)
    result = estimate(x, y, "published", steps=2, draws=2, seed=ESTIMATOR_SEED_OFFSET)
    kept = load(tmp_path / "x.jsonl").set_index("estimator")["curve"]["published"]
    np.testing.assert_allclose(kept.gaps["inner"], result.curve.gaps["inner"], rtol=1e-5)
    np.testing.assert_allclose(kept.stderrs["inner"], result.curve.stderrs["inner"], rtol=1e-5)
    assert kept.noised == result.curve.noised
    assert len(read_records(tmp_path / "x.jsonl")) == 4
    assert run(**ask, estimators=short, curves=True).records == (first, second)


def test_a_curve_without_numbers_is_kept_as_such(told, tmp_path):
    (record,) = run(TASK, "told:do=nan", 50, 1, tmp_path / "x", listen=quiet, curves=True).records
    kept = load(tmp_path / "x.jsonl")["curve"].iloc[0]
    assert record["curve"]["mse"] == [0.5, None]
    np.testing.assert_array_equal(kept.mse, [0.5, np.nan])


def test_a_failed_cell_is_a_record_and_is_retried_on_request(tmp_path):
    tasks = [TASK, "multinormal-dense-25-25-0.5"]
    sweep = run(tasks, "gcmi", 50, 1, tmp_path / "x", listen=quiet)
    assert [record["status"] for record in sweep.records] == ["converged", "failed"]
    (failed,) = sweep.failed
    assert "gcmi needs more rows than columns" in failed["traceback"]
    assert failed["traceback"].startswith("Traceback")
    assert (failed["mi"], failed["tags"]) == (None, ["bmi", "copula"])
    assert failed["mi_true"] == pytest.approx(1.29, abs=0.01)
    run(tasks, "gcmi", 50, 1, tmp_path / "x", listen=quiet)
    assert len(read_records(sweep.path)) == 2
    again = run(tasks, "gcmi", 50, 1, tmp_path / "x", retry_failed=True, listen=quiet)
    assert [r["status"] for r in read_records(sweep.path)] == ["converged", "failed", "failed"]
    assert len(again.records) == 2


def test_half_a_run_is_no_record(tmp_path, told):
    sweep = run(TASK, "gcmi,told:do=interrupt", 50, 2, tmp_path / "x", listen=quiet)
    assert sweep.stopped
    assert [record["estimator"] for record in read_records(sweep.path)] == ["gcmi"]


def test_an_interrupt_in_a_cell_that_heeds_none_stops_the_sweep(tmp_path, told):
    sweep = run(TASK, "told:do=deaf", 50, 5, tmp_path / "x", listen=quiet)
    assert (sweep.stopped, len(sweep.records)) == (True, 1)


def test_a_listener_can_stop_a_sweep(tmp_path):
    seen = []

    def listen(progress):
        seen.append((len(progress.records), progress.total, progress.ended))
        return len(progress.records) == 2

    sweep = run(TASK, "gcmi", 50, 5, tmp_path / "x", listen=listen)
    assert seen == [(0, 5, False), (1, 5, False), (2, 5, False), (2, 5, True)]
    assert (sweep.stopped, len(sweep.records)) == (True, 2)


def test_torch_uses_the_threads_of_a_cell_only_during_the_cell(register):
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    register(Trained)
    (cell,) = grid(TASK, "trained:do=threads", 50, 1)
    assert compute(cell.to_dict(), threads=before + 1)["mi"] == before + 1
    assert torch.get_num_threads() == before


@pytest.mark.skipif(os.cpu_count() == 1, reason="one thread is all there is")
def test_blas_uses_the_threads_of_a_cell_only_during_the_sweep(tmp_path, told):
    with threadpool_limits(2, user_api="blas"), ThreadPoolExecutor(4) as executor:
        before = blas_threads()
        assert before > 1
        for pool in (None, executor):
            sweep = run(TASK, "told:do=blas", 50, 8, tmp_path / f"{pool is None}", executor=pool)
            assert {record["mi"] for record in sweep.records} == {1}
            assert blas_threads() == before


def dispatched(executor, width, work, seeds=6):
    cells = grid(TASK, "gcmi", 50, seeds)
    try:
        records = list(Dispatcher(executor, width, work).records(cells))
    finally:
        executor.shutdown()
    assert sorted(record["seed"] for record in records) == list(range(seeds))
    return {record["seed"]: record for record in records}


def test_a_worker_that_dies_loses_nothing_and_does_nothing_twice():
    records = dispatched(WorkerProcesses(2, 1), 2, die_once)
    assert {record["status"] for record in records.values()} == {"converged"}
    assert records[3]["attempt"] == 2


def test_a_cell_that_kills_every_worker_fails_and_the_others_go_on():
    records = dispatched(WorkerProcesses(2, 1), 2, die_always)
    assert [seed for seed, r in records.items() if r["status"] == "failed"] == [3]
    assert "ended 2 times without a result" in records[3]["traceback"]
    assert "BrokenProcessPool" in records[3]["traceback"]
    assert records[3]["tags"] == ["bmi", "copula"]


class Refusing(SerialExecutor):
    """An executor that ends after two cells."""

    left = 2

    def submit(self, *arguments):
        if not self.left:
            raise RuntimeError("cannot schedule new futures after shutdown")
        self.left -= 1
        return super().submit(*arguments)


def test_an_executor_that_ends_is_told_and_what_is_done_is_kept(tmp_path):
    out = tmp_path / "x.jsonl"
    with pytest.raises(MMGError, match=r"(?s)cannot schedule.*new executor"):
        run(TASK, "gcmi", 50, 4, out, executor=Refusing(), listen=quiet)
    assert len(content(out)) == 2


def test_stopping_hands_out_no_more_and_keeps_what_has_ended():
    with ThreadPoolExecutor(3) as executor:
        dispatcher = Dispatcher(executor, 3, slow)
        records = []
        for record in dispatcher.records(grid(TASK, "gcmi", 50, 30)):
            records.append(record)
            if len(records) == 4:
                time.sleep(0.3)  # until those under way have ended
                dispatcher.stop()
    assert 6 <= len(records) <= 7


def test_stopping_waits_for_no_cell():
    release = threading.Event()
    cells = grid(TASK, "gcmi", 50, 3)
    with ThreadPoolExecutor(1) as executor:
        dispatcher = Dispatcher(executor, None, lambda cell, attempt: release.wait(20))
        threading.Timer(0.1, dispatcher.stop).start()
        began = time.monotonic()
        assert list(dispatcher.records(cells)) == []
        assert time.monotonic() - began < 10
        release.set()


def test_a_worker_process_leaves_interrupts_to_the_coordinator_and_cores_to_its_neighbours():
    with WorkerProcesses(1, 3) as executor:
        assert executor.submit(prepared).result() == (signal.SIG_IGN, "3")


def test_a_script_without_a_guard_is_told_what_to_do(tmp_path):
    script = tmp_path / "script.py"
    out = tmp_path / "x"
    script.write_text(
        "from mmg_nb.benchmark import run\n"
        f"run({TASK!r}, 'gcmi', 50, 1, {str(out)!r}, workers=1)\n"
    )
    done = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "put the code under `if __name__ == '__main__':`" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"workers": 0}, "workers must be"),
        ({"workers": 2, "executor": SerialExecutor()}, "not both"),
        ({"threads": 0}, "threads must be"),
    ],
)
def test_wrong_workers_are_refused(tmp_path, more, said):
    with pytest.raises(MMGError, match=said):
        run(TASK, "gcmi", 50, 1, tmp_path / "x", listen=quiet, **more)


def test_a_worker_starts_light():
    code = (
        "import sys, mmg_nb.benchmark, mmg_nb.benchmark.worker as w; "
        "heavy = {'numpy', 'torch', 'scipy', 'pandas', 'IPython', 'dask'} & set(sys.modules); "
        "assert not heavy, heavy; "
        "import mmg_nb.benchmark.sweep; "
        "heavy = {'torch', 'pandas', 'IPython', 'dask', 'tqdm'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_the_command_line_runs_and_tabulates(tmp_path, capsys):
    out = str(tmp_path / "x")
    words = ["run", TASK, "--estimators", "gcmi", "--n", "1e3,50", "--out", out]
    assert main([*words, "--seeds", "3,4"]) == 0
    said = capsys.readouterr()
    assert "| copula | 1000 | gcmi | 1 | 0.413 |" in said.out
    assert "4 of 4 cells" in said.err
    assert {record["seed"] for record in read_records(out + ".jsonl")} == {3, 4}
    assert main([*words, "--seeds", "7,"]) == 0
    assert {record["seed"] for record in read_records(out + ".jsonl")} == {3, 4, 7}
    capsys.readouterr()
    assert main(["table", out + ".jsonl", "--by", "task"]) == 0
    assert f"| {TASK} | 50 | gcmi | 1 | 0.413 |" in capsys.readouterr().out


def test_the_command_line_reports_failures_and_mistakes(tmp_path, capsys):
    out = str(tmp_path / "x")
    words = ["run", "multinormal-dense-25-25-0.5", "--n", "50", "--out", out]
    assert main([*words, "--estimators", "gcmi"]) == 1
    assert main([*words, "--estimators", "gcm"]) == 2
    assert "Did you mean 'gcmi'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tables"], "invalid choice: 'tables'"),
        (["run"], "the following arguments are required: tasks"),
        (["run", "bmi", "--n", "1.5"], "n must be whole numbers"),
        (["run", "bmi", "--seeds", ","], "seeds must be whole numbers"),
        (["run", "bmi", "--n", "inf"], "n must be whole numbers"),
        (["run", "bmi", "--workers", "0"], "workers must be a whole number from 1 to 1024"),
        (["table"], "the following arguments are required: FILE"),
        (["table", "none.jsonl"], "could not read it"),
    ],
)
def test_the_command_line_says_what_is_wrong(words, said, capsys):
    assert main(words) == 2
    assert said in capsys.readouterr().err
