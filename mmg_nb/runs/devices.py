"""Devices and threads of a computation."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

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

    Several threads are about 15 % faster on layers of 50 000 activations (two cores). But at
    every layer they wait for the slowest thread. With another busy process on the machine, a step
    took 40 times as long in our measurement.

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
    try:
        yield
    finally:
        _SINGLE.end(before)


def team_size() -> int:
    """Threads that may compute small layers together: 1 outside of `threads_for`."""
    return _SINGLE.team_size()


class _Single:
    """Counts the runs that compute on one thread, and remembers torch's setting before them.

    A new Python thread takes over the number that any thread has set last. If two runs overlap,
    the second one therefore finds the setting of the first, and must not restore it later.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs = 0
        self._usual = 1

    def begin(self) -> int:
        """Set one thread, and return the number to restore afterwards."""
        with self._lock:
            before = torch.get_num_threads()
            if not self._runs:
                self._usual = before
            self._runs += 1
            torch.set_num_threads(1)
            return self._usual if before == 1 else before

    def team_size(self) -> int:
        """At most as many threads as torch had before the runs; 1 if there is no run."""
        with self._lock:
            return min(TEAM, self._usual) if self._runs else 1

    def end(self, before: int) -> None:
        """Restore the number of threads."""
        with self._lock:
            self._runs -= 1
            torch.set_num_threads(before)


_SINGLE = _Single()
