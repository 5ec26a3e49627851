"""Processes killed in the midst of training and of writing lose an interval and no more."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from killed_training import EVERY, FIELDS, data
from test_checkpoint import content

import mmg_nb
from mmg_nb.training.checkpoint_file import read

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")

TESTS = Path(__file__).parent
SLACK = 3.0  # seconds that a busy machine may take for one write


def command(script, *words):
    return [sys.executable, str(TESTS / script), *map(str, words)]


def environment():
    return {**os.environ, "PYTHONPATH": str(TESTS.parent), "OMP_NUM_THREADS": "1"}


def test_a_kill_at_any_moment_of_a_write_leaves_a_whole_file(tmp_path):
    done = subprocess.run(
        command("killed_writer.py", tmp_path), env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    kills, halves = map(int, done.stdout.split())
    assert halves > kills / 4  # the kills did hit writes


def killed(what, path, lines):
    """Train in a process of its own, kill it after so many steps, and return what it told."""
    process = subprocess.Popen(
        command("killed_training.py", what, path), env=environment(), stdout=subprocess.PIPE
    )
    told = [process.stdout.readline() for _ in range(lines)]
    process.kill()
    told += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    pairs = (line.split() for line in told if line.endswith(b"\n"))
    return {int(step): float(at) for step, at in pairs}


@pytest.mark.accuracy
def test_a_killed_training_loses_an_interval_and_goes_on_to_the_same_result(tmp_path):
    path, moment = tmp_path / "run.mmg", random.Random(0)
    at = {}
    for what in ("estimate", "resume"):
        at |= killed(what, path, moment.randrange(200, 400))
        kept = sum(each["step"] for each in read(path).values["trainings"])
        lost = max(at.values()) - at[kept] if kept else 0.0
        assert lost < EVERY + SLACK
    assert 100 < kept < FIELDS["steps"]
    (tmp_path / "run.mmg.12345.partial").write_bytes(path.read_bytes()[:1000])
    assert content(mmg_nb.resume(path)) == content(mmg_nb.estimate(*data(), **FIELDS))
