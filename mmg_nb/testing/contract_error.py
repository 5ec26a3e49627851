"""The error that reports a broken promise."""

from __future__ import annotations

__all__ = ["ContractError", "require"]


class ContractError(AssertionError):
    """An estimator breaks a promise; reported in two lines.

    Args:
        what: What was expected and what came.
        remedy: What to do about it.

    Attributes:
        check: Name of the check.
    """

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy
        self.check = ""

    def __str__(self) -> str:
        return f"{self.check}: {self.what}\n{self.remedy}"

    def _render_traceback_(self) -> list[str]:
        return [f"\x1b[31m{self.check}:\x1b[0m {self.what}", self.remedy]


def require(condition: bool, what: str, remedy: str) -> None:
    """Raise an error unless a promise is kept.

    Args:
        condition: Whether the promise is kept.
        what: What was expected and what came.
        remedy: What to do about it.

    Raises:
        ContractError: It is not kept.
    """
    if not condition:
        raise ContractError(what, remedy)
