"""The facts of a result as text, HTML, Markdown and LaTeX."""

from __future__ import annotations

import html
import re
import textwrap

from mmg_nb.results.facts import Badge, Facts
from mmg_nb.results.interval_bar import interval_bar

__all__ = ["as_html", "as_latex", "as_markdown", "as_text", "latex", "pill"]

WIDTH = 96  # characters of a line of text

# A pill has its own background, so it suits light and dark pages. Styles are inline, because
# untrusted notebooks remove style sheets.
CARD = "max-width:680px;line-height:1.45"
PILL = "border-radius:9px;padding:1px 9px;color:#fff;font-size:12px;white-space:nowrap"
GOOD, CAUTION, UNFINISHED = "#157a52", "#9a5b00", "#5c6670"
CELL = "text-align:left;vertical-align:top;padding:2px 12px 2px 0"


def as_text(facts: Facts) -> str:
    """The facts as lines of text."""
    lines = [f"{facts.headline}  [{facts.badge}]", *facts.lines, facts.method]
    lines += [f"{name}: {text}" for name, text in facts.details]
    if facts.notes:
        lines += [_counted(facts)]
    notes = [
        textwrap.fill(note, WIDTH, initial_indent="- ", subsequent_indent="  ")
        for note in facts.notes
    ]
    return "\n".join([*(textwrap.fill(line, WIDTH) for line in lines), *notes])


def as_html(facts: Facts, image: str = "") -> str:
    """The facts as HTML without scripts and style sheets.

    Args:
        facts: The facts.
        image: HTML of a picture, shown below the interval.

    Returns:
        The HTML.
    """
    stopped = facts.badge is Badge.STOPPED
    size = "14px;font-weight:normal" if stopped else "16px"
    headline = f'<strong style="font-size:{size}">{html.escape(facts.headline)}</strong>'
    head = f"{headline} {pill(facts.badge)}"
    rows = [html.escape(facts.meaning)] if facts.meaning else []
    if facts.interval is not None:
        low, high = facts.interval
        bar = interval_bar(low, facts.value, high, min(0.0, low), max(high, 0.0))
        rows.append(f"{html.escape(facts.range)} {bar}")
    if facts.advice:
        rows.append(html.escape(facts.advice))
    body = "".join(f"<div>{row}</div>" for row in rows)
    return (
        f'<div style="{CARD}"><div>{head}</div>{body}{image}{_folded_notes(facts)}'
        f"{_folded_details(facts)}</div>"
    )


def pill(badge: Badge) -> str:
    """A badge as HTML: green, amber, or grey if the run was stopped."""
    stopped = badge is Badge.STOPPED
    colour = GOOD if badge is Badge.RELIABLE else UNFINISHED if stopped else CAUTION
    return f'<span style="{PILL};background:{colour}">{badge}</span>'


def _folded_notes(facts: Facts) -> str:
    if not facts.notes:
        return ""
    items = "".join(f"<li>{html.escape(note)}</li>" for note in facts.notes)
    return f"<details><summary>{_counted(facts)}</summary><ul>{items}</ul></details>"


def _folded_details(facts: Facts) -> str:
    rows = "".join(
        f'<tr><th scope="row" style="{CELL}">{html.escape(name)}</th>'
        f'<td style="{CELL}">{html.escape(text)}</td></tr>'
        for name, text in facts.details
    )
    head = f"<summary>{html.escape(facts.method)}</summary>"
    return f'<details>{head}<table style="margin:0">{rows}</table></details>'


def _counted(facts: Facts) -> str:
    return f"{len(facts.notes)} note{'s' if len(facts.notes) > 1 else ''}"


def as_markdown(facts: Facts) -> str:
    """The facts as Markdown."""
    lines = [f"**{_plain(facts.headline)}** ({facts.badge})", *map(_plain, facts.lines)]
    lines += [_plain(facts.method)]
    items = [f"- {_plain(name)}: {_plain(text)}" for name, text in facts.details]
    items += [f"- {_plain(note)}" for note in facts.notes]
    return "\n\n".join([*lines, "\n".join(items)])


def _plain(text: str) -> str:
    """A text with the signs of Markdown and HTML escaped."""
    return re.sub(r"([\\`*_{}\[\]<>#|$])", r"\\\1", text)


def as_latex(facts: Facts, plot: str = "") -> str:
    """The facts as a paragraph, a plot and a list of LaTeX."""
    first = rf"\noindent\textbf{{{latex(facts.headline)}}} ({latex(facts.badge)})."
    lines = [first, *map(latex, facts.lines), latex(facts.method) + "."]
    items = [f"{name}: {text}" for name, text in facts.details]
    listed = "\n".join(rf"\item {latex(item)}" for item in (*items, *facts.notes))
    details = f"\\begin{{itemize}}\n{listed}\n\\end{{itemize}}"
    return "\n\n".join([*lines, *([plot] if plot else []), details])


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"\ensuremath{\pm}",
    "×": r"\ensuremath{\times}",
    "−": r"\ensuremath{-}",
    "<": r"\ensuremath{<}",
    ">": r"\ensuremath{>}",
    "|": r"\ensuremath{|}",
    "…": r"\dots{}",
} | {sign: f"\\{sign}" for sign in "&%$#_{}"}


def latex(text: str) -> str:
    """A text with the special signs of LaTeX written out."""
    return "".join(_LATEX.get(sign, sign) for sign in text)
