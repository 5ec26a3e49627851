"""The JavaScript and CSS of the widgets, put together without a build step."""

from __future__ import annotations

from importlib import resources

__all__ = ["module", "style"]


def module(*parts: str) -> str:
    """An ES module out of files that use each other's functions.

    Widgets are sent to the browser as text, where one module could not import another one.

    Args:
        parts: Names of files, the one with `export default` last.

    Returns:
        The module's text.
    """
    return "\n".join(_read(f"{part}.js") for part in parts)


def style() -> str:
    """The style sheet of all widgets."""
    return _read("widgets.css")


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
