"""Keep settings that the user made for the current thread out of a run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np

__all__ = ["usual_surroundings"]


@contextmanager
def usual_surroundings() -> Iterator[None]:
    """Compute with the defaults of numpy and torch, and restore the user's settings afterwards.

    They are: numpy's handling of floating-point errors; torch's gradients, autocast and default
    device. All of them belong to one thread, so other threads are not affected. The default dtype
    of torch belongs to the process. So it stays, and all tensors get their dtype explicitly.

    Yields:
        Nothing.
    """
    with ExitStack() as stack:
        stack.enter_context(
            np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")
        )
        if "torch" in sys.modules:  # only then can it have settings; closed forms do not load it
            import torch  # waits if another thread is loading it

            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.enable_grad())
            for kind in ("cpu", "cuda"):
                stack.enter_context(torch.autocast(kind, enabled=False))
            if torch.empty(0).device.type != "cpu":  # entering it costs time at each call
                stack.enter_context(torch.device("cpu"))
        yield
