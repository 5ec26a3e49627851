"""What is built from the repository holds everything that is needed to run without it."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BUILD = """
import os, sys
from setuptools import build_meta
os.chdir(sys.argv[1])
getattr(build_meta, sys.argv[3])(sys.argv[2])
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Names of the files in the sdist, without its top folder, and in the wheel."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    for name in filter(None, listed):
        if (
            name.startswith(("mmg_nb/", "pyproject", "README", "LICENSE"))
            and (ROOT / name).exists()
        ):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    for kind in ("build_sdist", "build_wheel"):
        build = [sys.executable, "-c", BUILD, str(source), str(out), kind]
        done = subprocess.run(build, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    with tarfile.open(sdist) as archive:
        first = {name.partition("/")[2] for name in archive.getnames()}
    return first, set(zipfile.ZipFile(wheel).namelist())


def test_wheel_and_sdist_hold_every_file_of_the_package(built):
    """Modules, scripts and styles of the widgets, and the mark of a typed package."""
    kinds = ("*.py", "*.js", "*.css", "py.typed")
    package = ROOT / "mmg_nb"
    wanted = {str(path.relative_to(ROOT)) for kind in kinds for path in package.rglob(kind)}
    assert len([name for name in wanted if name.endswith((".js", ".css", "py.typed"))]) >= 5
    for names in built:
        assert wanted <= names


def test_the_wheel_holds_nothing_else(built):
    _, wheel = built
    assert {name.split("/")[0].partition("-")[0] for name in wheel} == {"mmg_nb"}
