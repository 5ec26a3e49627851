"""The magic `%mmg`: reads the subcommand and its arguments, and runs it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import line_cell_magic, magics_class, needs_local_scope, no_var_expand
from IPython.display import display

from mmg_nb.api import prepare, reopen
from mmg_nb.errors import MMGError, cut
from mmg_nb.jupyter.arguments import chosen_estimator, read_body, read_tokens
from mmg_nb.jupyter.background import begin, begin_job, start_from
from mmg_nb.jupyter.call import Call
from mmg_nb.jupyter.commands import (
    COMMANDS,
    QUESTIONS,
    command,
    estimators_in_words,
    help_on,
    overview,
)
from mmg_nb.jupyter.comparing import ComparisonRun, as_table, start_comparison
from mmg_nb.jupyter.completion import Completion
from mmg_nb.jupyter.handle import Run
from mmg_nb.jupyter.namespace import arrays, check_name, in_words, resolve
from mmg_nb.jupyter.progress import View
from mmg_nb.jupyter.running import run_in_cell
from mmg_nb.jupyter.runs import Runs, RunTable, is_number
from mmg_nb.jupyter.settings import SessionSettings
from mmg_nb.jupyter.shown import ShownResults
from mmg_nb.jupyter.tokens import tokenize
from mmg_nb.jupyter.views import has_page, view_for
from mmg_nb.questions.compare import prepare_comparison
from mmg_nb.questions.comparison import Comparison
from mmg_nb.results.result import MIResult
from mmg_nb.runs.events import RunState

if TYPE_CHECKING:
    from mmg_nb.benchmark.sweep import Sweep
    from mmg_nb.benchmark.tables import Table
    from mmg_nb.jupyter.explore import Explorer
    from mmg_nb.jupyter.panel import Panel

__all__ = ["MMG"]

Answer: TypeAlias = (
    "MIResult | Comparison | Run | RunTable | Sweep | Table | Explorer | Panel | None"
)


@magics_class
class MMG(SessionSettings):
    """Mutual information with diffusion denoisers.

    Args:
        shell: The user's shell.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._shell = shell
        self.runs = Runs()
        self.latest_view = ExitStack()
        self.shown = ShownResults(shell, lambda: str(self.unit))
        self.completion = Completion(shell, self, self.runs)

    @no_var_expand
    @needs_local_scope
    @line_cell_magic
    def mmg(
        self, line: str, cell: str | None = None, local_ns: dict[str, Any] | None = None
    ) -> Answer:
        """Estimate the mutual information of variables of this notebook.

        %mmg estimate x y                        estimate, display and return the result
        %mmg estimate x y --effort high --seed 1 -o res
        %mmg estimate x y --given z              conditional on z: I(x; y | z)
        run = %mmg estimate x y -b               in the background: run.wait(), %mmg stop
        %mmg compare x y --estimators ksg,mmg    several estimators side by side
        %mmg explore df                          a map of all pairs of columns
        %mmg rank df target                      which columns a target depends on
        %mmg lag x y --lags -20:20               how two series depend on each other, by lag
        %mmg test x y                            whether x and y depend on each other
        %mmg config device=cuda                  change a setting; without arguments: show all
        %mmg help questions                      which call for which question
        %%mmg estimate x y                       in a cell: one "field: value" per line
        """
        try:
            handler, call = self._read(line, cell, {**self._shell.user_ns, **(local_ns or {})})
            return handler(call)
        except MMGError as error:
            error.full_traceback = self.traceback
            raise

    def _read(
        self, line: str, cell: str | None, namespace: dict[str, Any]
    ) -> tuple[Callable[[Call], Answer], Call]:
        """The subcommand that a line asks for, and what it is given."""
        read = tokenize(line)
        words = [token.text for token in read.tokens]
        if cell is not None and words[:1] != ["estimate"]:
            what = f"A %%mmg cell needs the subcommand estimate; got %%mmg {line}".rstrip() + "."
            raise MMGError(what, "Write %%mmg estimate X Y, then one 'field: value' per line.")
        if not words or words[0] in ("-h", "--help"):
            return self._overview, Call((), "", namespace, read.silent)
        if words[0] not in COMMANDS and words[0] in arrays(namespace):
            what = f"There is no subcommand {words[0]!r}; {words[0]!r} is a variable."
            raise MMGError(what, f"Did you mean '%mmg estimate {' '.join(words)}'?")
        command(words[0], self.estimator)
        call = Call(read.tokens[1:], cell or "", namespace, read.silent)
        if words[0] in QUESTIONS:
            return partial(self._question, words[0]), call
        handler: Callable[[Call], Answer] = getattr(self, f"_{words[0]}")
        return handler, call

    def _overview(self, call: Call) -> None:
        print(overview())

    def _estimate(self, call: Call) -> MIResult | Run | None:
        target = command("estimate", chosen_estimator(call.tokens, call.body, self.estimator))
        asked = call.arguments(target, self.in_force())
        if asked is None:
            return None
        fields = read_body(target, call.body, asked.values)
        settings = {key: fields.pop(key, value) for key, value in self.in_force().items()}
        output = self._output(fields)
        background = fields.pop("background", False)
        texts, given = call.two(target.name, asked.operands), fields.get("given")
        x, y, what = call.variables(texts, fields)
        fields |= {key: settings[key] for key in ("estimator", "seed", "device")}
        job = prepare(x, y, **fields).named(*texts, *([given] if given else []))
        if background:
            return self._put(begin_job(job.with_own_data()), what, output)
        trains = job.estimator.trains
        run = Run(job.run, what=what, estimator=settings["estimator"], trains=trains)
        view = self._view(run, settings["live"], call)
        return self._in_cell(run, view, call, output, slow=trains)

    def _compare(self, call: Call) -> Comparison | Run | None:
        target = command("compare", self.estimator)
        asked = call.arguments(target, self.in_force())
        if asked is None:
            return None
        options = {"seed": self.seed, "device": self.device, "live": self.live, **asked.values}
        live, output = options.pop("live"), self._output(options)
        x, y, what = call.variables(call.two(target.name, asked.operands), options)
        if options.pop("background", False):
            return self._put(start_comparison(x, y, **options), what, output)
        job = prepare_comparison(x, y, **options)
        run = ComparisonRun(job, what=what)
        view = as_table(self._view(run, live, call), job)
        return self._in_cell(run, view, call, output, slow=job.trains)

    def _question(self, name: str, call: Call) -> Any:
        """Answer a question that takes many estimates; see `mmg_nb.jupyter.asking`."""
        target = COMMANDS[name]
        asked = call.arguments(target, self.in_force())
        if asked is None:
            return None
        known = {info.name for info in target.options}
        options: dict[str, Any] = {
            key: value for key, value in self.in_force().items() if key in known - {"estimator"}
        }
        options |= asked.values
        live, output = options.pop("live"), self._output(options)
        background = options.pop("background", False)
        # Imported here because loading the extension must take no time for it.
        from mmg_nb.jupyter.asking import read_question

        question = read_question(name, asked.operands, options, call.namespace)
        if background:
            question = question.with_own_data()
        run = Run(question.run, what=question.what, estimator=question.estimator)
        if background:
            return self._put(begin(run), question.what, output)
        return self._in_cell(run, self._view(run, live, call), call, output)

    def _output(self, options: dict[str, Any]) -> str | None:
        """Take the variable that stores the result out of the options, and check its name."""
        output: str | None = options.pop("output", None)
        if output is not None:
            check_name(output, self._shell.user_ns)
        return output

    def _view(self, run: Run, live: str, call: Call) -> View:
        return view_for(run, "none" if call.silent else live, self._kernel, self.latest_view)

    def _put(self, run: Run, what: str, output: str | None) -> Run | None:
        """Set the quantity of a run, and store its handle in a variable if one is named."""
        run.what = what
        if output is None:
            return run
        self._shell.user_ns[output] = run
        return None

    @property
    def _kernel(self) -> Any:
        """The kernel, which can update outputs in place; None in a terminal or a console."""
        kernel = getattr(self._shell, "kernel", None)
        return kernel if has_page(kernel) else None

    def _in_cell(
        self, run: Run, view: View, call: Call, output: str | None, *, slow: bool = False
    ) -> Any:
        """Run, show the progress, and return the result, or store it in a variable."""
        self.runs.add(run)
        result, shown = run_in_cell(run, view, slow=slow)
        settled = shown or call.silent  # it need not be displayed again
        if settled and self._kernel is not None:
            self.shown.mark(result)
        if output is None:
            return result
        self._shell.user_ns[output] = result
        if not settled:
            display(result)
        return None

    def _panel(self, call: Call) -> Panel | None:
        target = command("panel", chosen_estimator(call.tokens, "", self.estimator))
        asked = call.arguments(target, self.in_force())
        if asked is None:
            return None
        two = call.two(target.name, asked.operands) if asked.operands else ()
        texts = dict(zip("xy", two, strict=False))
        settings = {key: self.in_force()[key] for key in ("estimator", "seed", "device")}
        # Imported here because loading the extension must not load anywidget.
        from mmg_nb.jupyter.panel import Panel

        return Panel(self._shell).choose(**texts, **{**settings, **asked.values})

    def _explore(self, call: Call) -> Explorer | None:
        target = COMMANDS["explore"]
        asked = call.arguments(target, self.in_force())
        if asked is None:
            return None
        if len(asked.operands) != 1:
            what = f"%mmg explore takes one table; got {' '.join(asked.operands) or 'none'}."
            raise MMGError(cut(what, 160), in_words(call.namespace))
        table = resolve(asked.operands[0], call.namespace)
        settings = {key: self.in_force()[key] for key in ("seed", "device")}
        # Imported here because loading the extension must not load anywidget.
        from mmg_nb.jupyter.explore import Explorer

        return Explorer(self._shell, table, asked.operands[0], **{**settings, **asked.values})

    def _plot(self, call: Call) -> None:
        asked = call.arguments(COMMANDS["plot"])
        if asked is None:
            return
        found, options = call.result(asked.operands, self.runs), dict(asked.values)
        file = options.pop("save", None)
        if options and not isinstance(found, MIResult):
            what = f"--kind is for results of estimate; got a {type(found).__name__}."
            raise MMGError(what, "Leave --kind out.")
        axes = found.plot(**options, unit=self.unit)
        display(axes)
        if file is not None:
            # Imported here because loading the extension must not load matplotlib.
            from mmg_nb.plots.axes import save_figure

            print(f"Saved {save_figure(axes, file)}.")

    def _show(self, call: Call) -> None:
        asked = call.arguments(COMMANDS["show"])
        if asked is None:
            return
        output = self._output(dict(asked.values))
        found = call.result(asked.operands, self.runs)
        if output is not None:
            self._shell.user_ns[output] = found
        display(found)

    def _benchmark(self, call: Call) -> Sweep | Table | None:
        # Imported here because few calls need it, and the extension must load fast.
        from mmg_nb.jupyter.benchmark import benchmark_command

        words = [token.text for token in call.tokens]
        return benchmark_command(words, self._shell, device=self.device)

    def _runs(self, call: Call) -> RunTable | None:
        if self._asks_help("runs", call, operands=0) is None:
            return None
        return RunTable.of(self.runs)

    def _pause(self, call: Call) -> Run | None:
        return self._steer("pause", call, Run.pause, (RunState.RUNNING,))

    def _resume(self, call: Call) -> Run | MIResult | None:
        """Continue a paused run of this session, or a run from its checkpoint file."""
        asked = read_tokens(COMMANDS["resume"], call.tokens)
        named = "".join(asked.operands[:1])
        if asked.help or len(asked.operands) > 1 or not named or is_number(named):
            if asked.values:
                what = "The options of %mmg resume apply only to a checkpoint file."
                raise MMGError(what, "Name the file, or leave the options out.")
            try:
                return self._steer("resume", call, Run.resume, (RunState.PAUSED,))
            except MMGError as error:
                file = "%mmg resume FILE continues a stopped run that has a checkpoint."
                raise MMGError(error.what, f"{error.remedy} {file}") from error
        options = {"live": self.live, **asked.values}
        output, every = self._output(options), options.get("every")
        if options.get("background"):
            return self._put(start_from(named, every=every), named, output)
        job = reopen(named, every)
        run = Run(job.run, what=named, estimator=job.estimator.name, trains=True)
        return self._in_cell(run, self._view(run, options["live"], call), call, output)

    def _stop(self, call: Call) -> Run | None:
        going = (RunState.RUNNING, RunState.PAUSED, RunState.STOPPING)
        return self._steer("stop", call, Run.stop, going)

    def _steer(
        self, name: str, call: Call, act: Callable[[Run], None], states: tuple[RunState, ...]
    ) -> Run | None:
        """Apply `act` to the named run, or else to the latest run in one of the states."""
        words = self._asks_help(name, call, operands=1)
        if words is None:
            return None
        found = self.runs.find("".join(words), states)
        if found.state.ended:
            what = f"{found.name} has ended; its state is {found.state}."
            raise MMGError(what, "%mmg runs lists all runs.")
        act(found)
        return found

    def _asks_help(self, name: str, call: Call, operands: int) -> tuple[str, ...] | None:
        """The operands of a call, at most `operands`; None if the call requested help."""
        asked = call.arguments(COMMANDS[name])
        if asked is None:
            return None
        if len(asked.operands) > operands:
            what = f"Expected {COMMANDS[name].synopsis}; got also {asked.operands[operands]!r}."
            raise MMGError(what, "%mmg runs lists the runs with their numbers.")
        return asked.operands

    def _config(self, call: Call) -> None:
        asked = call.arguments(COMMANDS["config"])
        if asked is None:
            return
        self.change_all(" ".join(asked.operands))
        if not asked.operands:
            print(self.table())

    def _help(self, call: Call) -> None:
        topics = read_tokens(COMMANDS["help"], call.tokens).operands
        if not topics:
            print(f"{overview()}\n\nestimators\n{estimators_in_words()}")
        for topic in topics:
            print(help_on(topic, self.estimator, self.in_force()))
