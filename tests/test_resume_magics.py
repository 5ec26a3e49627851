"""`%mmg resume`: runs of this session by number, runs of any session by file."""

from __future__ import annotations

import time

import pytest
from IPython.utils.capture import capture_output

from mmg_nb import Run, RunState
from mmg_nb.errors import MMGError
from mmg_nb.results.facts import facts
from mmg_nb.results.result import MIResult
from mmg_nb.results.status import Status

FIELDS = "--estimator mmg --steps 200 --width 16 --blocks 1 --batch 32 --draws 4 --folds 3"
PATIENCE = 60


@pytest.fixture
def run(shell, tmp_path, monkeypatch):
    """Run a cell in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    shell.user_ns["x"] = shell.user_ns["x"][:, :1] + shell.user_ns["y"][:, None]
    return shell.run_cell


@pytest.fixture
def stopped(run, shell):
    """A stopped run with its checkpoint in run.mmg."""
    run(f"stopped = %mmg estimate x y {FIELDS} -b --checkpoint run.mmg --every 5")
    handle = shell.user_ns["stopped"]
    while handle.progress.phase != "training" and not handle.state.ended:
        time.sleep(0.01)
    handle = run("%mmg stop")
    assert handle.wait(PATIENCE).status is Status.INTERRUPTED
    return handle


@pytest.mark.usefixtures("stopped")
def test_a_file_is_resumed_in_the_cell_and_in_the_background(run, shell):
    assert "%mmg resume 'run.mmg'" in facts(shell.user_ns["stopped"].result).advice
    whole = run(f"%mmg estimate x y {FIELDS};")
    handle = run("%mmg resume run.mmg --background --every 9")
    assert isinstance(handle, Run)
    assert (handle.number, handle.what, handle.estimator) == (3, "run.mmg", "mmg")
    assert handle.wait().mi == whole.mi
    assert handle.state is RunState.FINISHED
    assert run("%mmg resume run.mmg -o res;") is None
    assert shell.user_ns["res"].mi == whole.mi
    assert "run.mmg" in repr(run("%mmg runs"))


@pytest.mark.usefixtures("stopped")
def test_a_resumed_run_is_the_value_and_may_be_quoted(run):
    assert isinstance(run('res = %mmg resume "run.mmg" --live none\nres'), MIResult)


@pytest.mark.parametrize(
    ("cell", "what", "remedy"),
    [
        ("%mmg resume none.mmg", "There is no checkpoint at", "given as checkpoint"),
        ("%mmg resume none.mmg -b", "There is no checkpoint at", "given as checkpoint"),
        ("%mmg resume", "No run is paused", "Runs: 1 (stopped). %mmg resume FILE continues"),
        ("%mmg resume 7", "There is no run '7'", "Runs: 1 (stopped)"),
        ("%mmg resume 1", "run 1 has ended", "resume FILE continues a stopped run"),
        ("%mmg resume run.mmg twice", "got also 'twice'", "%mmg runs"),
        ("%mmg resume 1 --every 3", "apply only to a checkpoint file", "Name the file"),
        ("%mmg resume run.mmg --evry 3", "no option --evry", "Did you mean '--every'?"),
        ("%mmg resume run.mmg -o 2res", "got '2res'", "-o res"),
        ("%mmg estimate x y --estimator gcmi --checkpoint c", "needs no checkpoint", "Remove"),
        (f"%mmg estimate x y {FIELDS} --checkpoint run.mmg", "has not finished", "resume"),
        (f"%mmg estimate x y {FIELDS} --checkpoint no/c", "No checkpoint can be", "folder"),
        ("%mmg estimate x y --checkpoint c --every -1", "every must be", "seconds between"),
    ],
)
@pytest.mark.usefixtures("stopped")
def test_a_mistake_raises_an_error_of_two_lines(run, cell, what, remedy):
    with capture_output(), pytest.raises(MMGError) as caught:
        run(cell)
    assert what in caught.value.what
    assert remedy in caught.value.remedy


def test_help_shows_both_kinds_of_operands(run):
    with capture_output() as caught:
        run("%mmg resume -h")
    assert caught.stdout.startswith("%mmg resume [RUN | FILE] [options]")
    assert "--every" in caught.stdout
    with capture_output() as caught:
        run("%mmg estimate -h")
    assert "--checkpoint" in caught.stdout
