"""Where to compute."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from mmg_nb.errors import MMGError

__all__ = ["pick_device", "threads_for"]

WORTH_A_TEAM = 2**18  # activations in one layer from which more threads than one pay


def pick_device(name: str) -> torch.device:
    """Turn a device's name into a device that is there.

    Args:
        name: `auto` (CUDA when there is one), `cpu`, `cuda` or `cuda:<index>`.

    Returns:
        The device.

    Raises:
        MMGError: The name means nothing, or there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        what = f"device must be auto, cpu, cuda or cuda:<index>; got {name!r}."
        raise MMGError(what, "Leave it out to use a GPU when there is one.") from error
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

    A team of threads gains about 15 % on layers of 50 000 activations (two cores), but waits for
    its slowest member at every layer: with another busy process on the machine a step was
    measured to take 40 times as long.

    Args:
        activations: Members × batch × width.
        device: Where the run computes; only the CPU is concerned.

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


class _Single:
    """Who computes on one thread at present, and how many torch had before the first of them.

    A new thread begins with the number that was set last, wherever: of two runs side by side the
    second finds the one thread of the first, and must not restore that.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs = 0
        self._usual = 1

    def begin(self) -> int:
        """Set one thread; how many there are to be afterwards."""
        with self._lock:
            before = torch.get_num_threads()
            if not self._runs:
                self._usual = before
            self._runs += 1
            torch.set_num_threads(1)
            return self._usual if before == 1 else before

    def end(self, before: int) -> None:
        """Set so many threads again."""
        with self._lock:
            self._runs -= 1
            torch.set_num_threads(before)


_SINGLE = _Single()
