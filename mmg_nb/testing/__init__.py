"""Checks whether an estimator keeps the promises of `mmg_nb.Estimator`.

To test an estimator of your own:

    from mmg_nb.testing import check_estimator

    def test_my_method() -> None:
        check_estimator(MyMethod(bins=10))

No test framework is needed. `CHECKS` lists the checks; their docstrings say what they require.
May import `api` and what lies below it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mmg_nb.errors import MMGError, brief, one_of
from mmg_nb.estimators.base import Estimator
from mmg_nb.testing.answers import (
    adds_up_its_error,
    answers_in_nats,
    finds_a_gaussian_pair,
    finds_nothing_in_independent_data,
    ignores_the_order_of_rows,
    says_what_it_found,
)
from mmg_nb.testing.conduct import (
    leaves_global_random_state_alone,
    leaves_its_input_alone,
    repeats_itself_for_equal_seeds,
    stops_when_asked,
    survives_json,
)
from mmg_nb.testing.contract_error import ContractError
from mmg_nb.testing.declarations import (
    describes_itself,
    instance,
    rebuilds_from_its_fields,
    takes_a_condition_or_not,
    takes_categories_or_not,
    takes_few_rows,
    takes_images_or_not,
    takes_several_columns,
)
from mmg_nb.testing.subject import Subject

__all__ = ["CHECKS", "ContractError", "check_estimator"]

CHECKS: dict[str, Callable[[Subject], None]] = {
    check.__name__: check
    for check in (
        describes_itself,
        rebuilds_from_its_fields,
        says_what_it_found,
        leaves_its_input_alone,
        leaves_global_random_state_alone,
        repeats_itself_for_equal_seeds,
        stops_when_asked,
        answers_in_nats,
        finds_a_gaussian_pair,
        finds_nothing_in_independent_data,
        survives_json,
        adds_up_its_error,
        ignores_the_order_of_rows,
        takes_few_rows,
        takes_several_columns,
        takes_a_condition_or_not,
        takes_categories_or_not,
        takes_images_or_not,
    )
}
"""Name -> check, in the order in which they run."""


def check_estimator(
    estimator: Estimator | type[Estimator], *, skip: str | Iterable[str] = ()
) -> None:
    """Run every check on an estimator.

    The data are 1000 rows of a Gaussian pair with 0.413 nats; an estimator that needs images gets
    250 rows with x as images. An estimator that trains runs about ten times, half of them for a
    step only, so give it a short training: `check_estimator(MyMethod(steps=200))`.

    Args:
        estimator: An estimator, or a class, which is then made with its defaults.
        skip: Names of checks that do not apply, see `CHECKS`.

    Raises:
        ContractError: A check fails. The message names it and says what was expected, what came
            and what to do.
        MMGError: `skip` names no check, or there are no data for what the estimator needs.
    """
    skipped = {skip} if isinstance(skip, str) else set(skip)
    for name in sorted(skipped - set(CHECKS)):
        what = f"There is no check {brief(name)}."
        raise MMGError(what, one_of(name, CHECKS, "Checks"))
    subject = Subject(instance(estimator))
    for name, check in CHECKS.items():
        if name in skipped:
            continue
        try:
            check(subject)
        except ContractError as error:
            error.check = name
            raise
        except Exception as error:
            error.add_note(f"Raised in the check {name!r} of {subject.estimator!r}.")
            raise
