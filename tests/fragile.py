"""Find tests that depend on the processor: `python tests/fragile.py --seeds 20 tests/test_mmg.py`.

Runs the tests once for each kernel path (which kernels MKL and PyTorch choose, and how many
threads there are), and once for each rounding seed (see `rounding.py`). A test is fragile if it
fails anywhere, or if an asserted comparison is within three standard deviations of failing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

TESTS = Path(__file__).parent
PATHS = [
    {},
    {"MKL_CBWR": "COMPATIBLE"},
    {"MKL_CBWR": "AVX2"},
    {"ATEN_CPU_CAPABILITY": "default"},
    {"ATEN_CPU_CAPABILITY": "avx2"},
    {"OMP_NUM_THREADS": "2"},
]
ENOUGH = 3.0  # standard deviations


def run(settings: dict[str, str], margins: Path, tests: list[str]) -> list[str]:
    """Run tests, and return the names of those that failed."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(TESTS),
        "PYTHONPYCACHEPREFIX": str(margins.parent / "cache"),
        "ROUNDING_MARGINS": str(margins),
        **settings,
    }
    plugin = ["-p", "rounding", "-o", "enable_assertion_pass_hook=true", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rf", *plugin, *tests],
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode not in (0, 1):  # 1: some tests failed
        raise SystemExit(f"pytest did not run: {done.stderr or done.stdout}")
    print(settings, done.stdout.splitlines()[-1:], flush=True)
    return re.findall(r"^FAILED (\S+)", done.stdout, re.MULTILINE)


def near(margins: Path) -> list[str]:
    """Comparisons of which the least margin is small beside its scatter over the runs."""
    found: dict[tuple[str, int, int], list[float]] = defaultdict(list)
    for line in margins.read_text(encoding="utf-8").splitlines():
        said = json.loads(line)
        found[said["test"], said["line"], said["nth"]].append(said["margin"])
    said = []
    for (test, line, _), values in found.items():
        least, scatter = min(values), float(np.std(values))
        if scatter > 0 and least < ENOUGH * scatter:
            said.append(f"{test} line {line}: least margin {least:.3g}, scatter {scatter:.3g}")
    return said


def main() -> None:
    """Run what the command line asks for, and print what is fragile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="rounding seeds")
    parser.add_argument("--paths", action="store_true", help="run every kernel path, too")
    parser.add_argument("tests", nargs="+", help="what pytest is to run")
    asked = parser.parse_args()
    settings = [{"ROUNDING_SEED": str(seed)} for seed in range(1, asked.seeds + 1)]
    failed: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        margins = Path(folder) / "margins.jsonl"
        margins.touch()
        for each in (PATHS if asked.paths else []) + settings:
            failed.update(run(each, margins, asked.tests))
        for test, times in failed.items():
            print(f"{test}: failed {times} times")
        for line in near(margins):
            print(line)


if __name__ == "__main__":
    main()
