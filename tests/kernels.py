"""A real kernel, driven as a front end drives it."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from pathlib import Path
from queue import Empty

from jupyter_client.manager import start_new_kernel
from jupyter_core.utils import ensure_event_loop

TESTS = Path(__file__).parent
SETUP = f"""
import sys
sys.path[:0] = [{str(TESTS)!r}, {str(TESTS.parent)!r}]
import numpy as np
import mmg_nb
from fake_estimator import Fake
mmg_nb.register(Fake)
%load_ext mmg_nb
%mmg config estimator=fake
rng = np.random.default_rng(0)
x, y = rng.normal(size=(100, 2)), rng.normal(size=100)
"""
TIMEOUT = 60


class Kernel:
    """A kernel with what its front end would do."""

    def __init__(self, manager, client):
        self.manager, self.client = manager, client

    def run(self, code, interrupts=(), shown=""):
        """Run a cell; interrupt it so many seconds after its first output that shows a text.

        Returns:
            The reply's content, and type and content of every output; what widgets say goes to
            `comms`.
        """
        sent = self.client.execute(code)
        outputs, self.comms = [], []
        while True:
            message = self.client.get_iopub_msg(timeout=TIMEOUT)
            if message["parent_header"].get("msg_id") != sent:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                break
            if kind in ("status", "execute_input"):
                continue
            widget = kind.startswith("comm_")
            (self.comms if widget else outputs).append((kind, content))
            if outputs and shown in str(content):
                # What the front end's stop button comes to.
                kill = (self.manager.provisioner.pid, signal.SIGINT)
                for seconds in interrupts:
                    threading.Timer(seconds, os.kill, kill).start()
                interrupts = ()
        return self._reply(sent), outputs

    def _reply(self, sent):
        while True:
            message = self.client.get_shell_msg(timeout=TIMEOUT)
            if message["parent_header"].get("msg_id") == sent:
                return message["content"]

    def value(self, expression):
        """The text of an expression."""
        reply, outputs = self.run(f"print({expression})")
        assert reply["status"] == "ok", reply
        return outputs[0][1]["text"].strip()

    def late_outputs(self):
        """What arrives although nothing runs."""
        try:
            return self.client.get_iopub_msg(timeout=0.3)
        except Empty:
            return None


@contextmanager
def running_kernel(folder, **env):
    """A kernel that works in `folder`, with the extension loaded and the fake estimator."""
    # On a busy machine, threads that wait for each other make small networks very slow.
    env = {**os.environ, "OMP_NUM_THREADS": "1", **env}
    manager, client = start_new_kernel(cwd=str(folder), env=env)
    try:
        kernel = Kernel(manager, client)
        reply, outputs = kernel.run(SETUP)
        assert reply["status"] == "ok", outputs
        yield kernel
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        ensure_event_loop().close()
