"""The JavaScript and CSS of the widgets, joined without a build step."""

from __future__ import annotations

from importlib import resources

__all__ = ["module", "style"]


def module(*parts: str) -> str:
    """Join files that use each other's functions into one ES module.

    The browser receives a widget as text, so its module cannot import another module.

    Args:
        parts: Names of the files. The file with `export default` comes last.

    Returns:
        The module's text.
    """
    return "\n".join(_read(f"{part}.js") for part in parts)


def style(*more: str) -> str:
    """The style sheet of all widgets, and those of some; `more` are the names of their files."""
    return "\n".join(_read(f"{part}.css") for part in ("widgets", *more))


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
