"""A background run in a real kernel: other cells can run, and it survives the kernel."""

from __future__ import annotations

import os
import signal
import time

import pytest
from kernels import SETUP, running_kernel

FIELDS = "--estimator mmg --width 16 --blocks 1 --batch 32 --draws 4 --folds 3"
PROMPT = 0.5  # seconds in which a cell must answer
TRIES = 10


@pytest.fixture
def kernel(tmp_path):
    with running_kernel(tmp_path) as kernel:
        yield kernel


def seconds(kernel, cell):
    began = time.monotonic()
    reply, _ = kernel.run(cell)
    assert reply["status"] == "ok", reply
    return time.monotonic() - began


@pytest.mark.accuracy
def test_other_cells_can_run_and_a_killed_kernel_loses_no_run(kernel):
    kernel.run(f"whole = %mmg estimate x y {FIELDS} --steps 600 --live none")
    expected = kernel.value("whole.mi")
    begin = f"run = %mmg estimate x y {FIELDS} --steps 600 -b --checkpoint run.mmg --every 0.2"
    assert kernel.run(begin)[0]["status"] == "ok"
    kernel.run("import time\nwhile run.progress.step is None: time.sleep(0.01)")
    took = sorted(seconds(kernel, "1 + 1") for _ in range(TRIES))
    assert kernel.value("run.state") == "running"
    # A busy machine delays some cells; a blocked kernel delays all of them.
    assert took[TRIES // 2] < PROMPT
    os.kill(kernel.manager.provisioner.pid, signal.SIGKILL)
    kernel.manager.restart_kernel(now=True)
    kernel.client.wait_for_ready(timeout=60)
    reply, _ = kernel.run(SETUP)
    assert reply["status"] == "ok"
    reply, outputs = kernel.run("res = %mmg resume run.mmg")
    assert reply["status"] == "ok", outputs
    assert kernel.value("res.mi") == expected
