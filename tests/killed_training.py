"""Trains, or goes on, and tells each step with its time; to be killed by its parent."""

from __future__ import annotations

import sys
import time

import numpy as np

import mmg_nb
from mmg_nb.runs.events import Step

EVERY = 0.3
FIELDS = {"steps": 900, "width": 16, "blocks": 1, "batch": 32, "draws": 4, "folds": 3}


def data():
    x = np.random.default_rng(0).normal(size=(120, 2))
    return x, x + np.random.default_rng(1).normal(size=(120, 2))


def tell(event):
    if isinstance(event, Step):
        print(event.step, time.monotonic(), flush=True)


if __name__ == "__main__":
    what, path = sys.argv[1:]
    if what == "resume":
        mmg_nb.resume(path, listen=tell)
    else:
        mmg_nb.estimate(*data(), checkpoint=path, every=EVERY, listen=tell, **FIELDS)
