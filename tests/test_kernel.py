"""The magic in a real kernel: messages to the front end, and interrupts."""

from __future__ import annotations

import random

import pytest
from kernels import running_kernel


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    with running_kernel(tmp_path_factory.mktemp("kernel")) as kernel:
        yield kernel


def test_the_live_view_is_replaced_by_the_result(kernel):
    reply, outputs = kernel.run("%mmg estimate x y --delay 0.05 --curves")
    assert reply["status"] == "ok"
    kinds = [kind for kind, _ in outputs]
    assert kinds[0] == "display_data"
    assert set(outputs[0][1]["data"]) == {"text/plain", "text/html"}  # nothing that can break
    assert set(kinds[1:]) == {"update_display_data"}  # no stream, no second display
    places = {content["transient"]["display_id"] for _, content in outputs}
    assert len(places) == 1
    data = outputs[-1][1]["data"]
    assert set(data) == {"text/plain", "text/html", "text/latex", "text/markdown", "image/png"}
    assert data["text/plain"] == kernel.value("_.bundle()[0]['text/plain']")


def test_the_next_run_closes_the_live_widget_with_all_that_belongs_to_it(kernel):
    def ids(kind):
        return sorted(content["comm_id"] for each, content in kernel.comms if each == kind)

    kernel.run("%mmg estimate x y --delay 0.05 --curves")
    opened = ids("comm_open")
    assert len(opened) == 2  # the widget and its layout
    kernel.run("%mmg estimate x y --delay 0.05 --curves")
    assert ids("comm_close") == opened


def test_a_later_cell_shows_the_result_again(kernel):
    kernel.run("res = %mmg estimate x y")
    _, outputs = kernel.run("res")
    assert [kind for kind, _ in outputs] == ["execute_result"]


@pytest.mark.parametrize("ending", [";", "; # quiet", " --live none -o res;"])
def test_a_semicolon_shows_nothing(kernel, ending):
    reply, outputs = kernel.run(f"%mmg estimate x y{ending}")
    assert (reply["status"], outputs) == ("ok", [])


def test_nothing_comes_after_the_end(kernel):
    kernel.run("res = %mmg estimate x y --delay 0.01")
    assert kernel.late_outputs() is None


@pytest.mark.parametrize("milliseconds", random.Random(0).sample(range(900), 5))
def test_an_interrupt_at_any_moment_still_gives_a_result(kernel, milliseconds):
    line = "res = %mmg estimate x y --curves --steps 1000 --delay 0.01"
    reply, outputs = kernel.run(line, [milliseconds / 1000])
    assert reply["status"] == "ok", reply
    assert kernel.value("res.status") == "stopped early"
    assert outputs[-1][1]["data"]["text/plain"] == kernel.value("res.bundle()[0]['text/plain']")
    assert "stopped early" in outputs[-1][1]["data"]["text/html"]


def test_an_interrupted_call_of_python_says_so(kernel):
    call = "mmg_nb.estimate(x, y, 'fake', steps=900, delay=0.01)"
    reply, outputs = kernel.run(f"import mmg_nb\nres = {call}", [0.3])
    assert reply["status"] == "ok", reply
    assert kernel.value("res.status") == "stopped early"
    assert "Stopped early. The result is not final" in outputs[-1][1]["data"]["text/html"]


def test_an_interrupt_while_the_result_is_drawn_keeps_it(kernel):
    line = "res = %mmg estimate x y --curves --steps 25 --delay 0.01"
    for seconds in (0.0, 0.2, 0.3):
        reply, _ = kernel.run(line, [seconds])
        assert reply["status"] == "ok", reply
        assert kernel.value("res.status") in ("stopped early", "converged")


def test_a_cell_that_awaits_is_stopped_too(kernel):
    waits = "import asyncio\nawait asyncio.sleep(0)\n"
    reply, _ = kernel.run(waits + "res = %mmg estimate x y --steps 900 --delay 0.01", [0.2])
    assert reply["status"] == "ok", reply
    assert kernel.value("res.status") == "stopped early"


def test_a_second_interrupt_raises_and_ends_the_worker(kernel):
    kernel.run("del res")
    kernel.run("import threading, time")
    # Long enough that the worker sleeps from the first interrupt to the second on any machine.
    line = "res = %mmg estimate x y --steps 40 --delay 3"
    reply, outputs = kernel.run(line, [0.0, 0.2])
    assert reply["ename"] == "KeyboardInterrupt"
    assert outputs[-2][1]["data"]["text/plain"].startswith("Ended without a result")
    kernel.run("time.sleep(3.2)")
    assert kernel.value("[t.name for t in threading.enumerate() if 'mmg' in t.name]") == "[]"
    assert kernel.value("'res' in globals()") == "False"


def test_a_mistake_is_an_error_of_two_lines(kernel):
    reply, outputs = kernel.run("%mmg estimate x nothing")
    assert (reply["status"], reply["ename"]) == ("error", "MMGError")
    assert [kind for kind, _ in outputs] == ["error"]
    first, second = outputs[0][1]["traceback"]
    assert "There is no variable 'nothing'." in first
    assert second == "Arrays here: x (100×2), y (100)."


def test_a_mistake_found_by_the_worker_is_an_error_of_two_lines_too(kernel):
    reply, outputs = kernel.run("%mmg estimate x y[:60]")
    assert reply["ename"] == "MMGError"
    assert [kind for kind, _ in outputs] == ["error"]
    assert len(outputs[0][1]["traceback"]) == 2


def test_other_errors_show_their_traceback(kernel):
    reply, outputs = kernel.run("%mmg estimate x y --ending defect")
    assert reply["ename"] == "ZeroDivisionError"
    assert any("fake_estimator.py" in line for line in outputs[-1][1]["traceback"])


def test_the_default_estimator_is_stopped_too(kernel):
    line = "res = %mmg estimate x y --estimator mmg --steps 5000 --width 16"
    reply, outputs = kernel.run(line, [0.5], shown="training, step")
    assert reply["status"] == "ok", reply
    assert kernel.value("res.status") == "stopped early"
    assert all(kind.endswith("display_data") for kind, _ in outputs)
