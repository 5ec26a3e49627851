"""Fixtures shared by the tests of the notebook side."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

# Small layers gain nothing from more threads, and beside another busy process each step waits
# for them. Set before torch or numpy are imported; programs that tests start inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell that starts the tests with & lets them ignore interrupts. Runs then ignore these, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import numpy as np
import pytest
from fake_estimator import Fake, make_result
from IPython.core.interactiveshell import InteractiveShell

import mmg_nb
from mmg_nb.benchmark import own_tasks
from mmg_nb.estimators import registry

TESTS = Path(__file__).parent


@pytest.fixture
def register(monkeypatch):
    """`mmg_nb.register`, undone when the test ends."""
    monkeypatch.setattr(registry, "_REGISTERED", dict(registry._REGISTERED))
    return mmg_nb.register


@pytest.fixture
def fake(register):
    """The name of an estimator that only pretends."""
    return register(Fake).name


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Install a package whose entry points are given; returns where it is."""

    def install(group, **points):
        info = tmp_path / "theirs-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
        lines = [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
        (info / "entry_points.txt").write_text("\n".join(lines))
        monkeypatch.syspath_prepend(tmp_path)
        forget()
        return tmp_path

    def forget():
        registry._installed.cache_clear()
        own_tasks._installed.cache_clear()
        own_tasks._loaded.cache_clear()

    yield install
    forget()


@pytest.fixture
def result():
    """A result with everything in it."""
    return make_result()


@pytest.fixture(scope="module")
def predicted_once():
    """Predictions of a second look are made once for equal data: tests here repeat runs.

    They depend on nothing but the data, as test_second_opinion.py checks. Of a short run, they
    are the longest part.
    """
    from mmg_nb.estimators.mmg import predictions  # scikit-learn is slow to import

    known: dict[tuple, np.ndarray | None] = {}
    fitted = predictions.predicted

    def predicted(source, target, folds, *, labels):
        key = labels, *((*part.shape, part.tobytes()) for part in (source, target, folds))
        if key not in known:
            known[key] = fitted(source, target, folds, labels=labels)
        return deepcopy(known[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictions, "predicted", predicted)
        yield


@pytest.fixture
def fresh_python():
    """Run code in an interpreter that has imported nothing yet, and return what it prints."""

    def run(code):
        path = os.pathsep.join([str(TESTS.parent), str(TESTS)])
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


class RaisingShell(InteractiveShell):
    """A shell whose cells raise what they would show."""

    def run_cell(self, raw_cell, *args, **kwargs):
        done = super().run_cell(raw_cell, *args, **kwargs)
        done.raise_error()
        return done.result


@pytest.fixture(scope="session")
def bare_shell():
    """One shell for all tests, since each takes long to end."""
    shell = RaisingShell.instance()
    shell.history_manager.enabled = False
    yield shell
    RaisingShell.clear_instance()


@pytest.fixture
def shell(bare_shell, fake):
    """A shell with `%mmg` loaded, the fake estimator as default and two arrays."""
    known = set(bare_shell.user_ns)
    rng = np.random.default_rng(0)
    bare_shell.user_ns.update(x=rng.normal(size=(100, 2)), y=rng.normal(size=100))
    bare_shell.run_line_magic("load_ext", "mmg_nb")
    bare_shell.run_line_magic("mmg", "config estimator=fake")
    yield bare_shell
    if "mmg_nb" in bare_shell.extension_manager.loaded:
        bare_shell.run_line_magic("unload_ext", "mmg_nb")
    bare_shell.config.pop("MMG", None)  # %config leaves it there
    for name in set(bare_shell.user_ns) - known:
        del bare_shell.user_ns[name]
