"""The magic under other versions of ipykernel, which handle threads and messages differently.

Only ipykernel is replaced. `test_kernel.py` tests the installed version.
"""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from kernels import TIMEOUT, running_kernel

VERSIONS = ["6.31.0", "7.3.0"]
PROMPT = 5.0  # seconds for a cell during a run; in a blocked kernel it takes ten
LONG = "--steps 1000 --delay 0.01"


def fetch(version, folder):
    """Install this version of ipykernel, and the dependency of old versions, into a folder."""
    wanted = [f"ipykernel=={version}", "nest-asyncio==1.6.0"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", folder, *wanted],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"ipykernel {version} cannot be fetched: {done.stderr.strip()[-200:]}")


@pytest.fixture(scope="module", params=VERSIONS)
def kernel(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ipykernel")
    fetch(request.param, str(folder))
    with running_kernel(folder, PYTHONPATH=str(folder)) as kernel:
        assert kernel.value("__import__('ipykernel').__version__") == request.param
        yield kernel


def test_the_card_becomes_the_result_in_place(kernel):
    reply, outputs = kernel.run("res = %mmg estimate x y --delay 0.05 --curves")
    assert reply["status"] == "ok"
    kinds = [kind for kind, _ in outputs]
    assert kinds[0] == "display_data"
    assert set(kinds[1:]) == {"update_display_data"}
    assert outputs[-1][1]["data"]["text/plain"] == kernel.value("res.bundle()[0]['text/plain']")
    assert kernel.late_outputs() is None


def test_an_interrupt_still_gives_a_result(kernel):
    reply, _ = kernel.run(f"res = %mmg estimate x y {LONG}", [0.3])
    assert reply["status"] == "ok", reply
    assert kernel.value("res.status") == "stopped early"


def test_an_interrupt_of_a_cell_that_awaits_gives_a_result_too(kernel):
    cell = f"print(1)\nrun = %mmg estimate x y {LONG} -b\nres = await run"
    reply, _ = kernel.run(cell, [0.5])
    assert reply["status"] == "ok", reply
    assert kernel.value("res.status") == "stopped early"


def test_other_cells_can_run_during_a_background_run(kernel):
    kernel.run(f"run = %mmg estimate x y {LONG} -b")
    began = time.monotonic()
    assert kernel.value("1 + 1") == "2"
    assert time.monotonic() - began < PROMPT
    assert kernel.value("run.state") == "running"
    kernel.run("run.stop()\nrun.wait()")


def updates(kernel, cell):
    """Texts of all displays that are updated while a cell runs, whichever cell they belong to."""
    sent, texts = kernel.client.execute(cell), []
    while True:
        message = kernel.client.get_iopub_msg(timeout=TIMEOUT)
        kind, content = message["msg_type"], message["content"]
        if kind == "update_display_data":
            texts.append(content["data"]["text/plain"])
        ours = message["parent_header"].get("msg_id") == sent
        if ours and kind == "status" and content["execution_state"] == "idle":
            return texts


def test_the_thread_of_a_run_updates_a_display(kernel):
    kernel.run(
        f"run = %mmg estimate x y {LONG} -b\n"
        "from IPython.display import display\n"
        "from mmg_nb.runs.events import StateChanged\n"
        "shown = display('before', display_id=True)\n"
        "run.subscribe(lambda e: isinstance(e, StateChanged) and shown.update(str(e.state)))"
    )
    assert "'stopped'" in updates(kernel, "run.stop()\nrun.wait()")
    assert kernel.value("run.result.status") == "stopped early"
