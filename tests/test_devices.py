"""The threads that a run leaves to torch."""

from __future__ import annotations

import threading

import pytest
import torch

from mmg_nb.runs.devices import WORTH_A_TEAM, threads_for

CPU = torch.device("cpu")


@pytest.fixture
def three():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_small_layers_take_one_thread_and_large_ones_all(three):
    with threads_for(1000, CPU):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3
    with threads_for(WORTH_A_TEAM, CPU):
        assert torch.get_num_threads() == 3


def test_a_run_beside_others_leaves_what_its_own_thread_had(three):
    with threads_for(1000, CPU):
        torch.set_num_threads(2)
        with threads_for(1000, CPU):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2


def test_runs_that_overlap_leave_the_number_that_was_there_before(three):
    first, second = threads_for(1000, CPU), threads_for(1000, CPU)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    later = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [3]
    assert torch.get_num_threads() == 3
