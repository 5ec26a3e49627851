"""What a sweep tells while it goes on."""

from __future__ import annotations

import io
import sys

import pytest
from IPython.core.interactiveshell import InteractiveShell

from mmg_nb.benchmark import progress as module
from mmg_nb.benchmark.cells import grid
from mmg_nb.benchmark.progress import Forecast, Progress, console, duration
from mmg_nb.benchmark.sweep import Sweep
from mmg_nb.benchmark.tables import Table
from mmg_nb.errors import MMGError
from mmg_nb.jupyter import benchmark
from mmg_nb.jupyter.benchmark import LiveTable, benchmark_command

TASK = "1v1-normal-0.75"


def record(label="gcmi", n=50, seconds=2.0, status="converged"):
    return {"label": label, "n": n, "seconds": seconds, "status": status}


class Watch:
    """A clock that is set by hand."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        for name in ("perf_counter", "monotonic"):
            monkeypatch.setattr(module.time, name, lambda: self.now)


@pytest.fixture
def watch(monkeypatch):
    return Watch(monkeypatch)


def test_the_forecast_knows_kinds_of_cells_and_how_many_run_at_once(watch):
    cells = grid(TASK, "gcmi,gcmi:correct_bias=false", [50, 60], 2)
    forecast = Forecast(cells, [])
    assert forecast.seconds_left() is None
    watch.now = 5.0
    forecast.add(record(seconds=2.0))
    forecast.add(record(n=60, seconds=8.0))  # 10 s of work in 5 s: two workers
    # One of each left of these, and two each of two kinds never seen, taken as the mean of 5 s.
    assert forecast.seconds_left() == pytest.approx((2.0 + 8.0 + 4 * 5.0) / 2)


def test_records_of_before_tell_how_long_cells_take_but_not_how_fast_they_run(watch):
    forecast = Forecast(grid(TASK, "gcmi", [50, 60], 2), [record(n=60, seconds=30.0)])
    assert forecast.seconds_left() is None
    watch.now = 1.0
    forecast.add(record(seconds=1.0))
    assert forecast.seconds_left() == pytest.approx(1.0 + 2 * 30.0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def state(done, *, left=None, ended=False, failed=0):
    records = [record()] * (done - failed) + [record(status="failed")] * failed
    return Progress(tuple(records), 8, left, ended)


def test_progress_in_one_line():
    assert state(0).text == "0 of 8 cells"
    assert state(3, left=65, failed=1).text == "3 of 8 cells, 1 failed, 1 min 05 s left"
    assert state(8, left=0, ended=True).text == "8 of 8 cells"


def test_a_log_gets_a_line_now_and_then(watch):
    stream = io.StringIO()
    listen = console(stream)
    for watch.now, done in ((0, 0), (1, 1), (14, 2), (16, 3), (17, 4)):
        listen(state(done))
    listen(state(8, ended=True))
    lines = stream.getvalue().splitlines()
    assert lines == ["0 of 8 cells", "3 of 8 cells", "8 of 8 cells"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_gets_a_bar():
    stream = Terminal()
    listen = console(stream)
    for at in (state(0), state(4, left=65), state(8, ended=True)):
        listen(at)
    assert " 50%|" in stream.getvalue()
    assert "4 of 8 cells, 1 min 05 s left" in stream.getvalue()
    assert "100%|" in stream.getvalue()


@pytest.fixture
def displayed(monkeypatch):
    """What a notebook shows, in order."""
    seen = []

    class Handle:
        update = staticmethod(seen.append)

    def display(what, display_id):
        seen.append(what)
        return Handle()

    monkeypatch.setattr("mmg_nb.jupyter.place.display", display)
    return seen


class Kernel(InteractiveShell):
    kernel = object()


ARGUMENTS = [TASK, "--estimators", "gcmi", "--n", "50", "--seeds", "2", "--out"]


def test_the_magic_shows_a_live_table_and_returns_the_sweep(tmp_path, displayed):
    sweep = benchmark_command([*ARGUMENTS, str(tmp_path / "x")], Kernel())
    assert isinstance(sweep, Sweep)
    assert "<td>copula</td>" in sweep._repr_html_()
    assert repr(displayed[-1]) == "2 of 2 cells"
    assert "<table>" not in displayed[-1]._repr_html_()


def test_the_live_table_is_drawn_twice_a_second_at_most(tmp_path, displayed):
    times = iter([0.0, 0.4, 0.6, 0.9, 1.2, 1.3])
    live = LiveTable(clock=lambda: next(times))
    sweep = benchmark_command([*ARGUMENTS, str(tmp_path / "x")], InteractiveShell())
    for _ in range(5):
        live(Progress(sweep.records, 8, 65.0))
    assert len(displayed) == 3
    shown = displayed[-1]._repr_html_()
    assert "1 min 05 s left" in shown
    assert "<td>copula</td>" in shown
    live(Progress(sweep.records, 8, None, ended=True))
    assert len(displayed) == 4


def test_the_magic_is_reached_by_its_name_and_knows_the_device_of_the_session(
    shell, tmp_path, monkeypatch
):
    asked = []
    monkeypatch.setattr(benchmark, "run_sweep", lambda arguments, listen: asked.append(arguments))
    shell.run_line_magic("mmg", "config device=cpu")
    words = f"benchmark {TASK} --estimators gcmi --out '{tmp_path}/x'"
    shell.run_line_magic("mmg", words)
    shell.run_line_magic("mmg", words + " --device cuda")
    assert [each.device for each in asked] == ["cpu", "cuda"]
    assert asked[0].out == f"{tmp_path}/x"


def test_suites_complete(shell):
    from mmg_nb.jupyter.completion import suggest

    assert ("outside", "suite of tasks") in suggest("benchmark ", "gcmi", {})
    assert "--retry-failed" in dict(suggest("benchmark bmi --", "gcmi", {}))


def test_a_terminal_shell_gets_no_live_table(tmp_path, displayed, capsys):
    benchmark_command([*ARGUMENTS, str(tmp_path / "x")], InteractiveShell())
    assert displayed == []
    assert "2 of 2 cells" in capsys.readouterr().err


def test_the_magic_reads_files_and_shows_help(tmp_path, capsys):
    sweep = benchmark_command([*ARGUMENTS, str(tmp_path / "x")], InteractiveShell())
    shown = benchmark_command(["table", str(sweep.path), "--by", "task"], InteractiveShell())
    assert isinstance(shown, Table)
    assert shown.rows == sweep.table("task").rows
    assert benchmark_command(["--help"], InteractiveShell()) is None
    assert "--retry-failed" in capsys.readouterr().out


def test_a_mistake_in_the_magic_does_not_end_the_kernel():
    with pytest.raises(MMGError, match="unrecognized arguments"):
        benchmark_command([TASK, "--estimator", "gcmi", "--m"], InteractiveShell())


def test_progress_goes_to_standard_error_by_default(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    console()(state(8, ended=True))
    assert stream.getvalue() == "8 of 8 cells\n"
