"""The threads that a run leaves to torch."""

from __future__ import annotations

import threading

import pytest
import torch

from mmg_nb.runs.devices import WORTH_A_TEAM, team_size, threads_for

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
    """The first run ends while the second one goes on; both in threads of their own."""
    begun, over = threading.Event(), threading.Event()

    def first():
        with threads_for(1000, CPU):
            thread = threading.Thread(target=second)
            thread.start()
            begun.wait()
        over.set()
        thread.join()

    def second():
        torch.set_num_threads(2)  # as a step on two threads leaves it to a new Python thread
        with threads_for(1000, CPU):
            begun.set()
            over.wait()
        left.append(torch.get_num_threads())

    left = []
    thread = threading.Thread(target=first)
    thread.start()
    thread.join()
    later = threading.Thread(target=lambda: left.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert left == [3, 3]


def test_each_run_has_as_many_threads_for_a_step_as_torch_had_before_it(three):
    assert team_size() == 1
    with threads_for(1000, CPU):
        assert team_size() == 2
        torch.set_num_threads(1)
    torch.set_num_threads(1)
    with threads_for(1000, CPU):
        assert team_size() == 1
