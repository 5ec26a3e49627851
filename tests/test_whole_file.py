"""Writing files whole or not at all."""

from __future__ import annotations

import os
import stat

import numpy as np
import pytest

import mmg_nb
from mmg_nb import benchmark
from mmg_nb.benchmark.records import read_records
from mmg_nb.results.atomic_write import write_whole


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "result.json"
    for data in (b"first", b"second"):
        write_whole(path, data)
        assert path.read_bytes() == data
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    write_whole(path, b"first")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="permissions are of POSIX")
def test_others_may_read_a_new_file_as_any_and_an_old_one_as_before(tmp_path):
    (tmp_path / "usual").touch()
    write_whole(tmp_path / "whole", b"")
    usual, whole = (stat.S_IMODE((tmp_path / n).stat().st_mode) for n in ("usual", "whole"))
    assert whole == usual
    (tmp_path / "whole").chmod(0o600)
    write_whole(tmp_path / "whole", b"private")
    assert stat.S_IMODE((tmp_path / "whole").stat().st_mode) == 0o600


@pytest.mark.skipif(os.name != "posix", reason="links are of POSIX")
@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_its_file_is_replaced(tmp_path, there):
    (tmp_path / "disk").mkdir()
    file, link, second = (tmp_path / name for name in ("disk/file", "link", "second"))
    if there:
        file.write_bytes(b"first")
    link.symlink_to("disk/file")
    second.symlink_to(link)
    write_whole(second, b"new")
    assert file.read_bytes() == b"new"
    assert second.is_symlink()
    assert link.is_symlink()
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["disk", "file", "link", "second"]


def test_the_longest_name_can_be_written(tmp_path):
    path = tmp_path / ("é" * 127)  # 254 bytes; 255 are allowed
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"


BAD_PATHS = ["", ".", "/", "a\0b", "x" * 300, "y/" * 3000 + "z", None, 3, b"bytes"]


@pytest.mark.parametrize("path", BAD_PATHS, ids=lambda path: repr(path)[:9])
@pytest.mark.parametrize("use", ["save", "load", "checkpoint", "resume", "sweep", "records"])
def test_a_path_that_is_none_is_refused_in_two_lines(result, tmp_path, monkeypatch, path, use):
    monkeypatch.chdir(tmp_path)
    x, y = np.random.default_rng(0).normal(size=(2, 60))
    uses = {
        "save": result.save,
        "load": mmg_nb.MIResult.load,
        "checkpoint": lambda path: mmg_nb.estimate(x, y, "minde", checkpoint=path),
        "resume": mmg_nb.resume,
        "sweep": lambda path: benchmark.run("1v1-normal-0.75", "gcmi", 60, 1, path),
        "records": read_records,
    }
    if use == "checkpoint" and path is None:
        return  # no checkpoint is wanted
    with pytest.raises(mmg_nb.MMGError) as caught:
        uses[use](path)
    assert caught.value.what
    assert str(caught.value).count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="removes the current folder")
def test_a_folder_that_is_gone_is_told(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(mmg_nb.MMGError, match="cannot be completed"):
        mmg_nb.resume("run.mmg")
