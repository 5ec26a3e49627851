"""Make `pytest --nbval notebooks` fail where a reader would see something else.

On its own, nbval compares numbers as text. It passes cells that end in a usage error. It ignores
outputs that are replaced or cleared. It runs cells so that a trailing `;` does not silence them.
Here:

* Decimal numbers in text and HTML may differ by RTOL·|saved| + ATOL. Whole numbers and words must
  be equal. A cell that trains may allow larger differences in its metadata:
  `{"mmg_nb": {"rtol": 0.1, "atol": 0.05}}`.
* Pictures are not compared, neither as image/png nor inside HTML or LaTeX, nor times in HTML. HTML
  that is nothing but one picture is not compared at all, because its numbers are those of the
  picture.
* An output that shows nothing is not compared.
* A cell fails whenever the kernel reports a failure. A cell tagged `raises-exception` must fail.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

# As in tests/conftest.py; kernels inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

plugin = pytest.importorskip("nbval.plugin")

RTOL, ATOL = 1e-4, 1e-6
NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.\d+|\.\d+|\d+)(?:[eE][-+]?\d+)?(?!\w)")
PICTURE = re.compile(
    r"data:image/[^\"']*|\\begin\{center\}\n\\setlength\{\\unitlength\}.*?\\end\{center\}\s*", re.S
)
ONE_PICTURE = re.compile(r"<div [^>]*><img [^>]*></div>|<img [^>]*>")
VARIES = re.compile(r'(?<=data-varies="time">)[^<]*')


def pytest_configure(config: pytest.Config) -> None:
    plugin.RunningKernel = CheckedKernel  # nbval looks it up when a notebook starts


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Iterator[None]:
    """Replace nbval's notebooks by ours."""
    found = yield
    return [
        CheckedNotebook.from_parent(parent, path=file_path)
        if isinstance(each, plugin.IPyNbFile)
        else each
        for each in found
    ]


@dataclass(frozen=True)
class Tolerance:
    """How far decimal numbers may be from the saved ones."""

    rtol: float = RTOL
    atol: float = ATOL

    def same(self, new: str, saved: str) -> bool:
        """Whether two texts agree within the tolerance."""
        new, saved = (VARIES.sub("", PICTURE.sub("", text)) for text in (new, saved))
        if _skeleton(new) != _skeleton(saved):
            return False
        pairs = zip(NUMBER.findall(new), NUMBER.findall(saved), strict=True)
        return all(self._near(a, b) for a, b in pairs)

    def _near(self, new: str, saved: str) -> bool:
        if new == saved or not re.search(r"[.eE]", new + saved):
            return new == saved
        return abs(float(new) - float(saved)) <= self.atol + self.rtol * abs(float(saved))


def _skeleton(text: str) -> str:
    """The text without its numbers and runs of blanks, which vary with the length of numbers."""
    return re.sub(r"\s+", " ", NUMBER.sub("#", text))


class CheckedKernel(plugin.RunningKernel):
    """A kernel that runs cells as a front end does, and keeps the reply to the last one."""

    def execute_cell_input(self, cell_input: str, allow_stdin: bool | None = None) -> str:
        self.reply: dict = {}
        return self.kc.execute(
            cell_input, store_history=True, allow_stdin=allow_stdin, stop_on_error=False
        )

    def get_message(self, stream: str, timeout: float | None = None) -> dict:
        message = super().get_message(stream, timeout)
        if message["msg_type"] == "execute_reply":
            self.reply = message["content"]
        return message


class CheckedNotebook(plugin.IPyNbFile):
    """A notebook whose outputs may be replaced and cleared."""

    def setup(self) -> None:
        super().setup()
        self._running: CheckedCell | None = None
        self._displays: dict[str, list[int]] = {}
        self._clear_first = False

    def collect(self) -> Iterator[CheckedCell]:
        for cell in super().collect():
            yield CheckedCell.from_parent(
                self,
                name=cell.name,
                cell_num=cell.cell_num,
                cell=cell.cell,
                options=cell.options,
            )

    def get_kernel_message(self, timeout: float | None = None, stream: str = "iopub") -> dict:
        while True:
            message = super().get_kernel_message(timeout, stream)
            if self._is_output(message["msg_type"], message["content"]):
                return message

    def _is_output(self, kind: str, content: dict) -> bool:
        """Handle a message; False if nbval must not get it."""
        name = content.get("transient", {}).get("display_id")
        if kind == "clear_output":
            self._clear_first = content["wait"]
            if not content["wait"]:
                self._clear()
            return False
        if kind == "update_display_data":
            for place in self._displays.get(name, []):
                self._outputs[place]["data"] = content["data"]
            return False
        if self._clear_first and kind in ("stream", "display_data", "execute_result", "error"):
            self._clear_first = False
            self._clear()
        if kind == "display_data" and name:
            # nbval appends it when it gets the message.
            self._displays.setdefault(name, []).append(len(self._outputs))
        return True

    def _clear(self) -> None:
        self._outputs.clear()
        self._displays.clear()

    @property
    def _outputs(self) -> list:
        """The outputs of the running cell so far."""
        return getattr(self._running, "test_outputs", None) or []

    def start(self, cell: CheckedCell) -> None:
        """Record which cell runs from now on."""
        self._running = cell
        self._displays.clear()


class CheckedCell(plugin.IPyNbCell):
    """A cell whose failures count, and whose numbers are compared as numbers."""

    def runtest(self) -> None:
        self.parent.start(self)
        super().runtest()
        reply = self.parent.kernel.reply
        failed, expected = reply.get("status") == "error", bool(self.options["check_exception"])
        if failed and not expected:
            self.raise_cell_error(f"The cell failed: {reply['ename']}: {reply['evalue']}")
        if expected and not failed:
            self.raise_cell_error("The cell is tagged raises-exception, but raised nothing.")

    def compare_outputs(
        self, test: list, ref: list, skip_compare: tuple[str, ...] | None = None
    ) -> bool:
        tolerance = Tolerance(**self.cell.metadata.get("mmg_nb", {}))
        test, ref = ([each for each in outputs if not _is_blank(each)] for outputs in (test, ref))
        for new, saved in zip(test, ref, strict=False):
            if new.output_type == saved.output_type == "stream":
                if new.name == saved.name and tolerance.same(new.text, saved.text):
                    new.text = saved.text
            elif new.output_type == saved.output_type:
                _settle(new.get("data", {}), saved.get("data", {}), tolerance)
        return super().compare_outputs(test, ref, skip_compare)


def _is_blank(output: dict) -> bool:
    """Whether nothing is seen of an output, as of the live view of a run that has ended."""
    return output.output_type == "display_data" and output.data.get("text/plain") == ""


def _settle(new: dict, saved: dict, tolerance: Tolerance) -> None:
    """Replace each new text that agrees with the saved one, so that nbval finds them equal."""
    for bundle in (new, saved):
        if ONE_PICTURE.fullmatch(bundle.get("text/html", "")):
            del bundle["text/html"]
    for kind, text in saved.items():
        if isinstance(text, str) and tolerance.same(str(new.get(kind)), text):
            new[kind] = text
