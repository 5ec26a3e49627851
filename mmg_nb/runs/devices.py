"""Devices and threads of a computation."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

from mmg_nb.errors import MMGError
from mmg_nb.runs.device_names import check_device

__all__ = ["pick_device", "team_size", "threads_for"]

WORTH_A_TEAM = 2**18  # activations per layer from which several threads are faster than one
TEAM = 2  # threads of a team on smaller layers; more were not measured


def pick_device(name: str) -> torch.device:
    """Find the device of a given name.

    Args:
        name: `auto` (CUDA if available), `cpu`, `cuda` or `cuda:<index>`.

    Returns:
        The device.

    Raises:
        MMGError: The name is not valid, or there is no such device.
    """
    check_device(name)
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cpu":
        return device
    available = torch.cuda.device_count() if device.type == "cuda" else 0
    if (device.index or 0) >= available:
        what = f"There is no device {name!r} here ({available} CUDA devices)."
        raise MMGError(what, "Use device='auto' or device='cpu'.")
    return device


@contextmanager
def threads_for(activations: int, device: torch.device) -> Iterator[None]:
    """Compute small layers on one thread, and restore the setting afterwards.

    Several threads wait for the slowest one at every layer. Beside another busy process, a step
    took 40 times as long in our measurement. Training steps take two threads where these are
    faster (`mmg_nb.training.team`).

    Args:
        activations: Members × batch × width.
        device: Device of the run; only the CPU is affected.

    Yields:
        Nothing.
    """
    if device.type != "cpu" or activations >= WORTH_A_TEAM:
        yield
        return
    before = _SINGLE.begin()
    token = _TEAM_SIZE.set(min(TEAM, before))
    try:
        yield
    finally:
        _TEAM_SIZE.reset(token)
        _SINGLE.end(before)


def team_size() -> int:
    """Threads that may compute small layers of this run together; 1 outside of `threads_for`."""
    return _TEAM_SIZE.get()


class _Single:
    """Knows the runs that compute on one thread, and torch's setting before them.

    A new Python thread takes over the number that any thread has set last. If two runs overlap,
    the second one therefore finds the setting of the first, and must not restore it later.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: list[int] = []  # their Python threads
        self._usual = 1

    def begin(self) -> int:
        """Set one thread, and return the number to restore afterwards."""
        with self._lock:
            before, own = torch.get_num_threads(), threading.get_ident()
            if not self._runs:
                self._usual = before
            elsewhere = any(each != own for each in self._runs)
            self._runs.append(own)
            torch.set_num_threads(1)
            return self._usual if elsewhere or before == 1 else before

    def end(self, before: int) -> None:
        """Restore the number of threads."""
        with self._lock:
            self._runs.remove(threading.get_ident())
            torch.set_num_threads(before)


_SINGLE = _Single()
_TEAM_SIZE = ContextVar("team_size", default=1)
