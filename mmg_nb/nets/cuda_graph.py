"""Work that is done again and again on the same tensors: on CUDA recorded once, then replayed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from functools import cache

import torch

__all__ = ["Replay"]

WARM_UP = 2  # times that each kind of work is done as it is, until all that it keeps is there
_RECORDING = threading.Lock()


class Replay:
    """Calls a function; on CUDA from the third time on as one graph instead of its many kernels.

    The layers of a small network take the device less time than the host needs to ask for them.

    Args:
        body: Reads and writes tensors that are always the same ones, and does nothing else that
            matters. Its argument says which kind of work it is to do, if there are several.
        device: Where the tensors are.
    """

    def __init__(self, body: Callable[[int], None], device: torch.device) -> None:
        self._body = body
        self._device = device
        self._done: Counter[int] = Counter()
        self._graphs: dict[int, torch.cuda.CUDAGraph] = {}

    def __call__(self, kind: int = 0) -> None:
        """Do the work."""
        if self._device.type == "cpu":
            self._body(kind)
            return
        self._done[kind] += 1
        if self._done[kind] <= WARM_UP:
            self._warm_up(kind)
            return
        if kind not in self._graphs:
            self._graphs[kind] = self._recorded(kind)
        self._graphs[kind].replay()

    def _warm_up(self, kind: int) -> None:
        """On the stream that records, as PyTorch asks for."""
        stream, present = _recording_stream(self._device), torch.cuda.current_stream(self._device)
        with _RECORDING:
            stream.wait_stream(present)
            with torch.cuda.stream(stream):
                self._body(kind)
            present.wait_stream(stream)

    def _recorded(self, kind: int) -> torch.cuda.CUDAGraph:
        graph, stream = torch.cuda.CUDAGraph(), _recording_stream(self._device)
        # What the threads of other runs do meanwhile, on streams of theirs, is allowed.
        recording = torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local")
        with _RECORDING, recording:
            self._body(kind)
        return graph


@cache
def _recording_stream(device: torch.device) -> torch.cuda.Stream:
    """One for all runs, because matrix products keep a workspace for every stream they see."""
    return torch.cuda.Stream(device)
