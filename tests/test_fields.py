"""Fields: values from Python and from text are checked against the same description."""

from __future__ import annotations

import json

import numpy as np
import pytest
from fake_estimator import Fake

from mmg_nb.errors import MMGError, closest
from mmg_nb.estimators.registry import estimator_class, names
from mmg_nb.fields import check_fields, field_infos, from_fields, parse

INFOS = {info.name: info for info in field_infos(Fake)}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("steps", "4000", 4000),
        ("steps", "4e3", 4000),
        ("steps", "1_000", 1000),
        ("learning_rate", "3e-4", 3e-4),
        ("learning_rate", "1", 1.0),
        ("limit", "none", None),
        ("limit", "auto", None),
        ("limit", "7", 7),
        ("ending", "defect", "defect"),
        ("polish", "no", False),
        ("polish", "True", True),
    ],
)
def test_text_becomes_a_typed_value(name, text, value):
    found = parse(INFOS[name], text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("steps", "many", "a whole number from 0 to 1000000"),
        ("steps", "1.5", "a whole number"),
        ("steps", "-1", "from 0 to"),
        ("steps", "1e400", "a whole number"),
        ("steps", "none", "a whole number"),
        ("learning_rate", "nan", "a number from 0 to 1"),
        ("learning_rate", "inf", "a number from 0 to 1"),
        ("offset", "inf", "a number"),
        ("offset", "nan", "a number"),
        ("limit", "0", "of at least 1 or none"),
        ("ending", "badly", "one of result, defect"),
        ("polish", "maybe", "true or false"),
    ],
)
def test_wrong_text_says_what_was_expected(name, text, expected):
    with pytest.raises(MMGError) as caught:
        parse(INFOS[name], text)
    assert expected in caught.value.what
    assert repr(text) in caught.value.what
    assert caught.value.remedy.startswith(f"{name}: {INFOS[name].help}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 1.5),
        ("steps", True),
        ("steps", "10"),
        ("steps", None),
        ("learning_rate", 2),
        ("learning_rate", float("nan")),
        ("ending", "badly"),
        ("ending", ["result"]),
        ("polish", 1),
    ],
)
def test_wrong_values_are_refused(name, value):
    with pytest.raises(MMGError, match=f"{name} must be"):
        check_fields(from_fields(Fake, {name: value}))


@pytest.mark.parametrize("value", [True, 3.0, 2])
def test_a_choice_has_the_type_of_its_field(value):
    with pytest.raises(MMGError, match="rounds must be one of 1, 3, 5"):
        check_fields(from_fields(Fake, {"rounds": value}))


def test_numpy_numbers_are_accepted_and_can_be_written_as_json():
    made = from_fields(Fake, {"steps": np.int64(5), "learning_rate": np.float32(0.5)})
    check_fields(made)
    assert json.dumps([made.steps, made.learning_rate]) == "[5, 0.5]"


def test_an_unknown_field_raises_an_error_with_the_closest_name():
    with pytest.raises(MMGError) as caught:
        from_fields(Fake, {"stesp": 3})
    assert "no field 'stesp'" in caught.value.what
    assert caught.value.remedy.startswith("Did you mean 'steps'? Fields: steps, delay")


def test_without_a_close_name_there_is_no_suggestion():
    assert closest("zzzz", ["steps"]) == ""


@pytest.mark.parametrize("name", names())
def test_every_estimator_describes_fields_it_accepts(name):
    check_fields(estimator_class(name)())
    for info in field_infos(estimator_class(name)):
        assert info.help
        assert info.kind in (int, float, str, bool)
        assert info.optional == (info.default is None)
        if info.default is not None:
            assert parse(info, str(info.default)) == info.default
