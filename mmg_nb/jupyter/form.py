"""The form of the panel: its controls, and the estimate that their values request."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from mmg_nb.api import prepare
from mmg_nb.benchmark.cells import read_specs
from mmg_nb.errors import MMGError, brief, listed, one_of
from mmg_nb.estimators.registry import estimator_class, names
from mmg_nb.fields import FieldInfo, field_infos, parse
from mmg_nb.jupyter.background import begin_job
from mmg_nb.jupyter.commands import flag
from mmg_nb.jupyter.comparing import start_comparison
from mmg_nb.jupyter.handle import Run
from mmg_nb.jupyter.namespace import arrays, columns, in_words, kinds, resolve
from mmg_nb.jupyter.options import DataOptions
from mmg_nb.jupyter.settings import setting_infos
from mmg_nb.jupyter.tokens import tokenize

__all__ = [
    "ROLES",
    "SETTINGS",
    "Asked",
    "Role",
    "as_columns",
    "as_text",
    "as_word",
    "control_of",
    "describe",
    "general_infos",
    "read_beside",
    "read_form",
    "variables",
]

SETTINGS = ("seed", "device", "discrete", "missing", "rows")  # settings that a form can change
MAX_COLUMNS = 200  # of one table in the form


@dataclass(frozen=True)
class Role:
    """A role of a variable in an estimate.

    Attributes:
        name: Argument of `mmg_nb.start`.
        label: Label in the form.
        optional: Whether the role may be empty.
    """

    name: str
    label: str
    optional: bool = False


ROLES = (
    Role("x", "x"),
    Role("y", "y"),
    Role("given", "given z", optional=True),
    Role("groups", "groups of rows", optional=True),
)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """An estimate that a form requests, or a comparison of several estimators.

    Attributes:
        texts: Role -> expression.
        estimator: Name in the registry.
        settings: Name in `SETTINGS` -> value.
        fields: Fields of the estimator that differ from their defaults.
        beside: Names of further estimators to compare with. They run with their defaults.
    """

    texts: Mapping[str, str]
    estimator: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    beside: tuple[str, ...] = ()

    @property
    def estimators(self) -> str:
        """The name of the estimator, or the labels of a comparison, which include the fields."""
        if not self.beside:
            return self.estimator
        return ", ".join(spec.label for spec in read_specs(self._specs))

    @property
    def what(self) -> str:
        """The estimated quantity, e.g. `I(x; y)` or `I(x; y | z)`."""
        given = f" | {self.texts['given']}" if "given" in self.texts else ""
        return f"I({self.texts['x']}; {self.texts['y']}{given})"

    @property
    def changed(self) -> dict[str, Any]:
        """The choices that differ from their defaults, without those that `what` includes."""
        infos = general_infos()
        settings = {k: v for k, v in self.settings.items() if v != infos[k].default}
        shown = ("x", "y", "given")  # in `what`
        others = {name: text for name, text in self.texts.items() if name not in shown}
        fields = {} if self.beside else self.fields  # the label of a comparison includes them
        return {**fields, **settings, **others}

    @property
    def line(self) -> str:
        """The `%mmg` line that requests the same estimate."""
        operands = [as_word(self.texts["x"]), as_word(self.texts["y"])]
        if self.beside:
            labels = ",".join(spec.label for spec in read_specs(self._specs))
            words = ["%mmg compare", *operands, "--estimators", labels]
        else:
            words = ["%mmg estimate", *operands, "--estimator", self.estimator]
        for name, text in self.texts.items():
            if name not in ("x", "y"):
                words += [f"--{name}", as_word(text)]
        infos = {**general_infos(), **_infos(self.estimator)}
        fields = {} if self.beside else self.fields
        for name, value in {**self.settings, **fields}.items():
            words += _option(infos[name], value)
        return " ".join(words)

    @property
    def _specs(self) -> list[str | tuple[str, Mapping[str, Any]]]:
        return [*self.beside, (self.estimator, self.fields)]

    def start(self, namespace: dict[str, Any]) -> Run:
        """Start the estimate in the background.

        Raises:
            MMGError: A variable or a value cannot be used.
        """
        values = {}
        for name, text in self.texts.items():
            with _caused_by(name):
                values[name] = resolve(text, namespace)
        x, y = values.pop("x"), values.pop("y")
        options = {**values, **self.settings}
        run = (
            start_comparison(x, y, self._specs, **options)
            if self.beside
            else self._started(x, y, options)
        )
        run.what = self.what
        return run

    def _started(self, x: Any, y: Any, options: Mapping[str, Any]) -> Run:
        job = prepare(x, y, self.estimator, **options, **self.fields)
        texts = [self.texts[name] for name in ("x", "y", "given") if name in self.texts]
        return begin_job(job.named(*texts).with_own_data())


class ControlError(MMGError):
    """An error that one control of the form has caused.

    Attributes:
        control: Name of the control.
    """

    control = ""


@contextmanager
def _caused_by(control: str) -> Iterator[None]:
    """Name the control in the errors of a block."""
    try:
        yield
    except MMGError as error:
        named = ControlError(error.what, error.remedy)
        named.control = control
        raise named from error


def control_of(error: MMGError) -> str:
    """The control that caused an error. Messages on a setting or variable begin with its name."""
    if isinstance(error, ControlError):
        return error.control
    first = re.match(r"\w+", error.what)
    return first.group() if first else ""


def as_columns(text: str, namespace: Mapping[str, Any]) -> dict[str, Any]:
    """A table, or columns of one, as the form shows them: `name` and positions of `columns`.

    Args:
        text: For example `df`, `df["a"]` or `df[["a", "b"]]`.
        namespace: The user's variables.

    Returns:
        The values; empty for another expression.
    """
    parts = re.fullmatch(r"(\w+)(?:\[(.+)\])?", text.strip())
    labels = columns(namespace.get(parts[1])) if parts else []
    if parts is None or not labels:
        return {}
    try:
        asked = labels if parts[2] is None else ast.literal_eval(parts[2])
        asked = asked if isinstance(asked, list) else [asked]
        return {"name": parts[1], "columns": [labels.index(label) for label in asked]}
    except (ValueError, SyntaxError):
        return {}


def as_word(text: str) -> str:
    """An expression as one word of a `%mmg` line."""
    alone = not text.startswith("-") and [token.text for token in tokenize(text).tokens] == [text]
    return text if alone else f"({text})"


def _option(info: FieldInfo, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [flag(info) if value else flag(info).replace("--", "--no-", 1)]
    text = "none" if value is None else str(value)
    return [flag(info), f'"{text}"' if " " in text or "#" in text else text]


def general_infos() -> dict[str, FieldInfo]:
    """The settings that do not depend on the estimator, by name."""
    return {**setting_infos(), **{info.name: info for info in field_infos(DataOptions)}}


def _infos(estimator: str) -> dict[str, FieldInfo]:
    return {info.name: info for info in field_infos(estimator_class(estimator))}


def variables(namespace: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The arrays and tables in a namespace, each with its shape; tables also with columns."""
    return [
        {
            "name": name,
            "shape": shape,
            "columns": [str(label) for label in columns(namespace[name])[:MAX_COLUMNS]],
            "kinds": kinds(namespace[name])[:MAX_COLUMNS],
        }
        for name, shape in arrays(namespace).items()
        if shape not in ("", "0")
    ]


def describe() -> dict[str, Any]:
    """All controls of the form, as plain values."""
    infos = general_infos()
    return {
        "roles": [
            {"name": role.name, "label": role.label, "optional": role.optional} for role in ROLES
        ],
        "settings": [_control(infos[name]) for name in SETTINGS],
        "estimators": [
            {
                "name": name,
                "summary": getattr(estimator_class(name), "summary", ""),
                "fields": [_control(info) for info in _infos(name).values()],
            }
            for name in names()
        ],
    }


def _control(info: FieldInfo) -> dict[str, Any]:
    default = as_text(info.default)
    choices = [as_text(choice) for choice in info.choices]
    if info.kind is bool:
        choices = ["true", "false"]
    if choices and info.optional:
        choices = ["", *choices]
    number = info.kind in (int, float) and not info.choices
    return {
        "name": info.name,
        "default": default,
        "choices": choices,
        "help": f"{info.help}; {info.expected}" if number else info.help,
        "number": number,
        "empty": "auto" if info.optional else "",
    }


def as_text(value: Any) -> str:
    """A value as the text of a control; empty for None."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def read_form(form: Mapping[str, Any], namespace: Mapping[str, Any]) -> Asked:
    """Read the values of a form.

    Args:
        form: `roles`: role -> `{"name": variable, "columns": [position, …]}` or
            `{"expression": text}`; `estimator`; `beside`: names of estimators to compare with;
            `settings` and `fields`: name -> text.
        namespace: The user's variables.

    Returns:
        The requested estimate, with typed and checked values.

    Raises:
        MMGError: A variable or a value is missing or not allowed.
    """
    estimator = str(form.get("estimator", ""))
    owner = _infos(estimator)
    infos = general_infos()
    chosen = form.get("roles", {})
    texts = {}
    for role in ROLES:
        with _caused_by(role.name):
            texts[role.name] = _expression(role, chosen.get(role.name), namespace)
    return Asked(
        texts={name: text for name, text in texts.items() if text},
        estimator=estimator,
        settings={
            name: _typed(infos[name], form.get("settings", {}).get(name)) for name in SETTINGS
        },
        fields=_fields(estimator, owner, form.get("fields", {})),
        beside=read_beside(form.get("beside", ()), estimator),
    )


def read_beside(asked: Sequence[str], estimator: str) -> tuple[str, ...]:
    """The estimators to compare with: each one once, without the estimator itself.

    Raises:
        MMGError: An estimator does not exist.
    """
    for name in asked:
        estimator_class(name)
    return tuple(name for name in dict.fromkeys(asked) if name != estimator)


def _fields(
    estimator: str, owner: Mapping[str, FieldInfo], given: Mapping[str, str]
) -> dict[str, Any]:
    for name in given:
        if name not in owner:
            what = f"{estimator} has no field {brief(name)}."
            raise MMGError(what, one_of(name, owner, "Fields"))
    typed = {name: _typed(owner[name], text) for name, text in given.items()}
    return {name: value for name, value in typed.items() if value != owner[name].default}


def _typed(info: FieldInfo, text: str | None) -> Any:
    if text is None or (info.kind is str and not info.optional and not text.strip()):
        return info.default
    return parse(info, text.strip() or ("none" if info.optional else ""))


def _expression(role: Role, chosen: Any, namespace: Mapping[str, Any]) -> str:
    """The expression chosen for a role; empty if none is chosen."""
    chosen = chosen or {}
    text = str(chosen.get("expression", "")).strip()
    if text:
        return text
    name = chosen.get("name", "")
    if not name:
        if role.optional:
            return ""
        raise MMGError(f"Choose a variable for {role.label}.", in_words(namespace))
    labels = columns(namespace.get(name))
    selection = _selection(role, name, labels, chosen.get("columns", ())) if labels else ""
    if selection.startswith("[[") and hasattr(namespace.get(name), "column_names"):
        return f"{name}.select({selection[1:-1]})"  # PyArrow takes no list in brackets
    return name + selection


def _selection(role: Role, name: str, labels: list[Any], positions: Sequence[int]) -> str:
    picked = [labels[k] for k in positions if 0 <= k < len(labels)]
    if not picked:
        what = f"Choose at least one column of {name} for {role.label}."
        raise MMGError(what, f"Columns: {listed(map(repr, labels))}.")
    return f"[{picked[0]!r}]" if len(picked) == 1 else f"[{picked!r}]"
