"""Keyword arguments that travel together are shown, completed and checked one by one."""

from __future__ import annotations

import inspect
import pydoc
from typing import get_overloads, get_type_hints

import numpy as np
import pandas as pd
import pytest
from IPython.core.completer import provisionalcompleter
from IPython.utils.capture import capture_output

import mmg_nb
from mmg_nb import MMGError, benchmark
from mmg_nb.benchmark.options import SweepOptions
from mmg_nb.benchmark.sweep import SweepKeywords
from mmg_nb.fields import field_infos
from mmg_nb.keywords import CompareKeywords, DataKeywords, EstimateKeywords
from mmg_nb.signatures import keywords_of

X, Y = np.random.default_rng(0).normal(size=(2, 60))
TABLE = pd.DataFrame({"a": X, "b": Y})
TAKEN = {
    "estimate": (mmg_nb.estimate, EstimateKeywords),
    "start": (mmg_nb.start, EstimateKeywords),
    "compare": (mmg_nb.compare, CompareKeywords),
    "benchmark.run": (benchmark.run, SweepKeywords),
}
EACH = pytest.mark.parametrize("name", TAKEN)


def test_they_have_the_defaults_that_are_promised():
    data = {"given": None, "groups": None, "discrete": "auto", "missing": "refuse"}
    data["rows"] = "auto"
    both = data | {"seed": 0, "device": "auto", "listen": None, "progress": None}
    cells = {"executor": None, "workers": None, "threads": 1, "device": "auto"}
    rest = {"retry_failed": False, "curves": False, "reporting": False, "listen": None}
    for owner, expected in {
        DataKeywords: data,
        CompareKeywords: both,
        EstimateKeywords: both | {"checkpoint": None, "every": 60.0},
        SweepKeywords: cells | rest,
    }.items():
        assert {key: each.default for key, each in keywords_of(owner).items()} == expected


@EACH
def test_help_shows_each_with_its_default_and_meaning(name):
    function, owner = TAKEN[name]
    parameters = inspect.signature(function).parameters
    text = pydoc.plain(pydoc.render_doc(function))
    for key, each in keywords_of(owner).items():
        assert parameters[key].kind is inspect.Parameter.KEYWORD_ONLY
        assert parameters[key].default == each.default
        assert f"{key}={each.default!r}" in text.splitlines()[2]
        assert f"        {key}: {each.help.split(maxsplit=1)[0]}" in text
    assert text.index("Args:") < text.index("Keyword Args:") < text.index("Returns:")
    assert max(map(len, text.splitlines()[3:])) <= 103  # with the indent of help
    assert ("fields" in parameters) == (owner is EstimateKeywords)


@EACH
@pytest.mark.parametrize("jedi", [True, False])
def test_the_notebook_shows_and_completes_each(name, jedi, shell, monkeypatch):
    _, owner = TAKEN[name]
    shell.run_cell("import mmg_nb, mmg_nb.benchmark")
    monkeypatch.setattr(shell.Completer, "use_jedi", jedi)
    line = f"mmg_nb.{name}(1, 2, "
    with provisionalcompleter():
        offered = {each.text for each in shell.Completer.completions(line, len(line))}
    assert {f"{key}=" for key in keywords_of(owner)} <= offered
    with capture_output() as shown:
        shell.run_cell(f"mmg_nb.{name}?")
    assert all(f"{key}: " in shown.stdout for key in keywords_of(owner))


@pytest.mark.parametrize("function", [mmg_nb.estimate, mmg_nb.start])
def test_type_checkers_know_each(function):
    """Of a call with fields, which may have any name, those that are spelled out."""
    all_of_them, with_fields = get_overloads(inspect.unwrap(function))
    assert get_type_hints(all_of_them)["keywords"].__args__ == (EstimateKeywords,)
    known, own = get_type_hints(EstimateKeywords), get_type_hints(with_fields)
    spelled = {each for each in known if each in own}
    assert spelled == {"seed", "device", "checkpoint", "listen"}
    assert all(own[each] == known[each] for each in spelled)


def test_the_command_line_of_a_sweep_has_the_same_defaults():
    keywords = keywords_of(SweepKeywords)
    flags = {info.name: info.default for info in field_infos(SweepOptions)}
    both = set(flags) & set(keywords)
    assert both == set(keywords) - {"executor", "listen"}
    assert all(flags[name] == keywords[name].default for name in both)


UNKNOWN = {
    "estimate": (
        lambda: mmg_nb.estimate(X, Y, "gcmi", sede=1),
        "GCMI has no field 'sede'.\nDid you mean 'seed'? Fields: ",
    ),
    "start": (
        lambda: mmg_nb.start(X, Y, "ksg", gropus=Y),
        "KSG has no field 'gropus'.\nDid you mean 'groups'? Fields: k, ",
    ),
    "compare": (
        lambda: mmg_nb.compare(X, Y, "gcmi", givn=Y),
        "compare has no keyword argument 'givn'.\nDid you mean 'given'? Keyword arguments: ",
    ),
    "estimate given z": (
        lambda: mmg_nb.estimate(X, Y, z=Y),
        "MMG has no field 'z'.\nDid you mean 'given'? Fields: effort, ",
    ),
    "compare given z": (
        lambda: mmg_nb.compare(X, Y, "gcmi", condition=Y),
        "compare has no keyword argument 'condition'.\nDid you mean 'given'? Keyword arguments: ",
    ),
    "rank by default": (
        lambda: mmg_nb.rank(TABLE, "b", effort="quick"),
        "KSG has no field 'effort'.\nThe estimator here is 'ksg'. For effort, try "
        "estimator='mmg'. Fields: k, ",
    ),
    "map by default": (
        lambda: mmg_nb.dependency_map(TABLE, misssing="drop"),
        "KSG has no field 'misssing'.\nDid you mean 'missing'? Fields: k, ",
    ),
    "total by default": (
        lambda: mmg_nb.total_correlation(TABLE, z="b"),
        "KSG has no field 'z'.\nDid you mean 'given'? Fields: k, ",
    ),
    "lagged by default": (
        lambda: mmg_nb.lagged(X, Y, steps=9),
        "KSG has no field 'steps'.\nThe estimator here is 'ksg'. For steps, try estimator='mmg'.",
    ),
    "transfer by default": (
        lambda: mmg_nb.transfer_entropy(X, Y, z=Y),
        "KSG has no field 'z'.\nDid you mean 'given'? Fields: k, ",
    ),
    "run": (
        lambda: benchmark.run("bmi", "gcmi", 50, 1, "r", worker=2),
        "run has no keyword argument 'worker'.\nDid you mean 'workers'? Keyword arguments: exec",
    ),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_an_unknown_name_is_refused_in_two_lines(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call, expected = UNKNOWN[case]
    with pytest.raises(MMGError) as caught:
        call()
    assert str(caught.value).startswith(expected)
    assert str(caught.value).count("\n") == 1
    assert not list(tmp_path.iterdir())
