"""Writing files whole or not at all."""

from __future__ import annotations

import os
import stat

import pytest

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
