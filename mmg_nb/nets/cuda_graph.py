"""CUDA graphs: repeated work on the same tensors is recorded once and then replayed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from functools import cache

import torch

from mmg_nb.polling import asked

__all__ = ["Replay"]

WARM_UP_CALLS = 2  # ordinary calls before recording; they allocate all persistent buffers
_RECORDING = threading.Lock()


class Replay:
    """Calls a function. On CUDA, replays it as one graph from the third call on.

    A graph replaces many kernel launches. For a small network, launching the kernels takes
    longer than running them.

    Args:
        body: Function without side effects other than writing tensors. It must read and write
            the same tensors in every call. Its argument selects one of several kinds of work.
        device: Device of the tensors.
    """

    def __init__(self, body: Callable[[int], None], device: torch.device) -> None:
        self._body = body
        self._device = device
        self._done: Counter[int] = Counter()
        self._graphs: dict[int, torch.cuda.CUDAGraph] = {}

    def __call__(self, kind: int = 0) -> None:
        """Run the function for this kind of work."""
        if self._device.type == "cpu":
            self._body(kind)
            return
        self._done[kind] += 1
        if self._done[kind] <= WARM_UP_CALLS:
            self._warm_up(kind)
            return
        if kind not in self._graphs:
            self._graphs[kind] = self._recorded(kind)
        self._graphs[kind].replay()

    def _warm_up(self, kind: int) -> None:
        """Run on the recording stream, as PyTorch requires before recording."""
        stream, present = _recording_stream(self._device), torch.cuda.current_stream(self._device)
        with _RECORDING:
            stream.wait_stream(present)
            with torch.cuda.stream(stream), asked(None):
                self._body(kind)
            present.wait_stream(stream)

    def _recorded(self, kind: int) -> torch.cuda.CUDAGraph:
        graph, stream = torch.cuda.CUDAGraph(), _recording_stream(self._device)
        # This mode allows other threads to use their own streams during recording.
        recording = torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local")
        with _RECORDING, asked(None), recording:
            self._body(kind)
        return graph


@cache
def _recording_stream(device: torch.device) -> torch.cuda.Stream:
    """One stream for all runs, because matrix products keep a workspace for each stream."""
    return torch.cuda.Stream(device)
