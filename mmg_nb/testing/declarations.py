"""Checks of what an estimator declares: its fields, and what it accepts."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from mmg_nb.errors import MMGError
from mmg_nb.estimators.base import Estimator
from mmg_nb.estimators.registry import check_class
from mmg_nb.fields import check_fields, field_infos, from_fields, parse
from mmg_nb.results.result import MIResult
from mmg_nb.runs.events import silent
from mmg_nb.testing.contract_error import ContractError, require
from mmg_nb.testing.subject import CORRELATION, TRUTH, Array, Subject, as_images, shown, soon

__all__ = [
    "describes_itself",
    "instance",
    "rebuilds_from_its_fields",
    "takes_a_condition_or_not",
    "takes_categories_or_not",
    "takes_few_rows",
    "takes_images_or_not",
    "takes_several_columns",
]

FEW = 60
LONGEST_SUMMARY = 90
_DEFAULTS = "Give every field a default, because the panel and the magics start from defaults."


def instance(estimator: Estimator | type[Estimator]) -> Estimator:
    """An estimator of the class given, or the one given.

    Raises:
        ContractError: The class is incomplete.
    """
    owner = estimator if isinstance(estimator, type) else type(estimator)
    try:
        check_class(owner)
        made = owner() if isinstance(estimator, type) else estimator
        check_fields(made)
    except (MMGError, TypeError) as error:
        known = error if isinstance(error, MMGError) else MMGError(str(error), _DEFAULTS)
        broken = ContractError(known.what, known.remedy)
        broken.check = "describes_itself"
        raise broken from error
    return made


def describes_itself(subject: Subject) -> None:
    """The class has a summary in a line; each field has a help and a default that fits."""
    owner = type(subject.estimator)
    summary = owner.summary
    shown = f"The summary of {owner.__name__} is {summary!r}."
    one_line = 0 < len(summary) <= LONGEST_SUMMARY and "\n" not in summary
    remedy = f"Say in one line of at most {LONGEST_SUMMARY} characters what it is; lists show it."
    require(one_line, shown, remedy)
    default: Any = instance(owner)
    for info in field_infos(owner):
        where = f"field {info.name} of {owner.__name__}"
        said = f"The help of {where} is {info.help!r}."
        remedy = "Give it a text without a final period; flags and tooltips show it."
        require(bool(info.help) and not info.help.endswith("."), said, remedy)
        value = getattr(default, info.name)
        read = None if value is None else parse(info, str(value))
        said = f"The default {value!r} of {where} reads back as {read!r}."
        require(read == value, said, "Use a default that can be written as a flag's text.")


def rebuilds_from_its_fields(subject: Subject) -> None:
    """The fields, written as JSON and read, make the same estimator."""
    fields = dataclasses.asdict(cast(Any, subject.estimator))
    try:
        read = json.loads(json.dumps(fields))
    except TypeError as error:
        remedy = "Use numbers, texts, true or false as fields."
        raise ContractError(f"The fields are no JSON: {error}.", remedy) from error
    again = dataclasses.asdict(cast(Any, from_fields(type(subject.estimator), read)))
    what = f"Built from its fields, {subject.name} has the fields {again}; expected {fields}."
    require(again == fields, what, "Do not change fields in __post_init__.")


def takes_few_rows(subject: Subject) -> None:
    """60 rows give a number or are refused in words."""
    x, y = subject.pair
    _answers_or_refuses(subject, x[:FEW], y[:FEW], f"{FEW} rows")


def takes_several_columns(subject: Subject) -> None:
    """Several columns give a number or are refused in words."""
    x, y = subject.pair
    more = np.random.default_rng(3).normal(size=(len(y), 3))
    wide = x if "images" in subject.estimator.needs else np.hstack([x, more[:, :2]])
    _answers_or_refuses(subject, wide, np.hstack([y, more[:, 2:]]), "several columns")


def _answers_or_refuses(subject: Subject, x: Array, y: Array, what: str) -> None:
    remedy = "Give an estimate, or raise mmg_nb.MMGError(what is wrong, what to do)."
    try:
        result = subject.run(x, y, listen=soon)
    except MMGError:
        return
    except Exception as error:
        said = f"{subject.name} fails on {what}: {error!r}."
        raise ContractError(said, remedy) from error
    said = f"{subject.name} gives {result.mi!r} for {what}; expected a number."
    require(math.isfinite(result.mi), said, remedy)


def takes_a_condition_or_not(subject: Subject) -> None:
    """What `accepts` says of `given` is so, and a common cause explains what x and y share."""
    generator = np.random.default_rng(4)
    z, *noises = generator.normal(size=(3, len(subject.pair[0]), 1))
    cause, own = math.sqrt(CORRELATION), math.sqrt(1 - CORRELATION)
    x, y = (cause * z + own * noise for noise in noises)
    accepted = "given" in subject.estimator.accepts
    listen = silent if accepted else soon
    x = as_images(x) if "images" in subject.estimator.needs else x
    result = _keeps_its_word(subject, "given", lambda: subject.run(x, y, given=z, listen=listen))
    if result is None:
        return
    reach = TRUTH / 4 if result.stderr is None else 4 * result.stderr
    what = (
        f"{shown(result)} for x and y that share only z, given z; expected 0 within {reach:.3f}."
    )
    remedy = "Use pairs.z, or leave 'given' out of the class variable accepts."
    require(abs(result.mi) < min(reach, TRUTH / 2), what, remedy)


def takes_categories_or_not(subject: Subject) -> None:
    """What `accepts` says of `discrete` is so."""
    x, y = subject.pair
    labels = np.where(y[:, 0] > 0, "high", "low")
    _keeps_its_word(subject, "discrete", lambda: subject.run(x, labels, listen=soon))


def takes_images_or_not(subject: Subject) -> None:
    """What `accepts` says of `images` is so."""
    x, y = subject.pair
    shown = x if "images" in subject.estimator.needs else as_images(x)
    _keeps_its_word(subject, "images", lambda: subject.run(shown, y, listen=soon))


def _keeps_its_word(
    subject: Subject, feature: str, run: Callable[[], MIResult]
) -> MIResult | None:
    """The result where the estimator accepts the feature; None where it refuses, and may."""
    accepted = feature in subject.estimator.accepts
    declared = f"{subject.name} accepts {', '.join(sorted(subject.estimator.accepts)) or 'none'}"
    remedy = f"Make it work, or leave {feature!r} out of the class variable accepts."
    try:
        result = run()
    except Exception as error:
        what = f"{declared}, and fails on {feature}: {error!r}."
        if accepted or not isinstance(error, MMGError):
            raise ContractError(what, remedy) from error
        return None
    what = f"{declared}, and gives {result.mi!r} for {feature}."
    require(accepted and math.isfinite(result.mi), what, remedy)
    return result
