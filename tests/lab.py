"""A real JupyterLab on loopback and a browser that drives it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
from playwright.sync_api import Browser, ConsoleMessage

TESTS = Path(__file__).parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# Nothing is fetched, drawn by a GPU or kept: the page is all that is wanted.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
PATIENCE = 120  # seconds; a busy machine is slow, not wrong
QUIET = {
    "apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "docmanager-extension/plugin": {"autosave": False},
}


class Lab:
    """A server with a home of its own.

    Args:
        home: Folder for its settings.
        root: Folder of its notebooks.
    """

    def __init__(self, home: Path, root: Path) -> None:
        self.root = root
        self.token = secrets.token_hex(16)
        self._settings = home / "settings"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        for name, values in QUIET.items():
            self.set(name, values)
        self._log = (home / "lab.log").open("w")
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1"),
                *(f"--port={self.port}", "--ServerApp.port_retries=0", "--allow-root"),
                *(f"--IdentityProvider.token={self.token}", f"--ServerApp.root_dir={root}"),
                "--LabApp.extension_manager=readonly",
            ],
            env=self._environment(home),
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        until(lambda: self.ask("api"))

    def _environment(self, home: Path) -> dict[str, str]:
        own = {
            "JUPYTER_CONFIG_DIR": home / "config",
            "JUPYTER_DATA_DIR": home / "data",
            "JUPYTER_RUNTIME_DIR": home / "runtime",
            "JUPYTERLAB_SETTINGS_DIR": self._settings,
            "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
            "IPYTHONDIR": home / "ipython",
            "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)]),
            "OMP_NUM_THREADS": "1",
        }
        return {**os.environ, **{name: str(value) for name, value in own.items()}}

    def set(self, name: str, values: dict) -> None:
        """Change a setting of JupyterLab; the next page that is opened has it."""
        path = self._settings / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))

    def ask(self, path: str, method: str = "GET") -> object:
        """A request to the server."""
        url = f"http://127.0.0.1:{self.port}/{path}?token={self.token}"
        with urllib.request.urlopen(urllib.request.Request(url, method=method)) as answer:
            return json.loads(answer.read() or "null")

    def write(self, name: str, *cells: str) -> Path:
        """Make a notebook of code cells."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        )
        path = self.root / name
        nbformat.write(notebook, path)
        return path

    def end_kernels(self) -> None:
        """Shut down what runs."""
        for session in self.ask("api/sessions"):
            self.ask(f"api/sessions/{session['id']}", "DELETE")

    def stop(self) -> None:
        """End the server."""
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(20)
        self._log.close()


class Visit:
    """One page of the browser, and what went wrong in it.

    Args:
        lab: The server.
        browser: The browser.
        name: The notebook to open.
        busy: Whether its kernel runs a cell, so that the page cannot wait for it.
    """

    def __init__(self, lab: Lab, browser: Browser, name: str, *, busy: bool = False) -> None:
        self.lab = lab
        self._name = name
        self._path = lab.root / name
        self.errors: list[str] = []
        self.page = browser.new_page(viewport={"width": 1300, "height": 1000})
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._note)
        url = f"http://127.0.0.1:{lab.port}/lab/tree/{name}?reset&token={lab.token}"
        self.page.goto(url, timeout=1000 * PATIENCE)
        self.page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=1000 * PATIENCE)
        # The page's own mark of idleness is there before the kernel is connected.
        until(lambda: self._connected(busy))
        if not busy:
            self.page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").wait_for()

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _connected(self, busy: bool) -> bool:
        kernels = [s["kernel"] for s in self.lab.ask("api/sessions") if s["path"] == self._name]
        fits = [busy or kernel["execution_state"] == "idle" for kernel in kernels]
        return any(fit and k["connections"] for fit, k in zip(fits, kernels, strict=True))

    def run_all(self) -> None:
        """Run all cells."""
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()

    def interrupt(self) -> None:
        """Interrupt the kernel, which the page may not reach yet."""
        (kernel,) = (s["kernel"] for s in self.lab.ask("api/sessions") if s["path"] == self._name)
        self.lab.ask(f"api/kernels/{kernel['id']}/interrupt", "POST")

    def save(self) -> dict:
        """Save the notebook, and return what the file then holds."""
        before = self._path.stat().st_mtime_ns

        def saved() -> bool:
            # Again and again: while a save is under way JupyterLab heeds no other one.
            self.page.keyboard.press("Control+s")
            self.page.wait_for_timeout(1000)
            return self._path.stat().st_mtime_ns != before

        until(saved)
        return json.loads(self._path.read_text(encoding="utf-8"))


def until(condition):
    """Wait for a condition, which may fail by an error of the network, and return its value."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            value = condition()
        except OSError:
            value = None
        if value:
            return value
        assert time.monotonic() < deadline
        time.sleep(0.1)
