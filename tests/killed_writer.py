"""Writes a file over and over, is killed at random moments, and looks at what is left.

Run by `test_checkpoint_kill.py` in an interpreter without threads, because it forks.
Prints the number of kills and of half-written files that they left behind.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

from mmg_nb.training.checkpoint_file import Contents, read, write

KILLS = 60


def generation(k):
    arrays = {str(j): np.full(50_000, float(k)) for j in range(3)}
    return Contents({"generation": k, "trainings": [k] * 100}, arrays)


def write_forever(path, k):
    while True:
        k += 1
        write(path, generation(k))


def check(path, before):
    """The file is one generation, whole, and none that was there before is lost."""
    found = read(path)
    k = found.values["generation"]
    assert k >= before
    assert found.values == generation(k).values
    for name, array in generation(k).arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)
    return k


def main(folder):
    path, moment = Path(folder) / "run.mmg", random.Random(0)
    write(path, generation(0))
    last = 0
    for _ in range(KILLS):
        child = os.fork()
        if child == 0:
            write_forever(path, last)
        time.sleep(moment.uniform(0.01, 0.1))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        last = check(path, last)
    assert last > 0
    print(KILLS, sum(each.suffix == ".partial" for each in path.parent.iterdir()))


if __name__ == "__main__":
    main(sys.argv[1])
