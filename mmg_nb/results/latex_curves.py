"""The error curves of a result as a LaTeX picture.

A notebook that is converted to LaTeX shows either the text or the picture of an output. So the
text holds the picture, drawn with commands that LaTeX itself has.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmg_nb.results.curves import MMSECurve

__all__ = ["curves_in_latex"]

WIDTH, HEIGHT = 100.0, 45.0  # mm

Array = NDArray[np.float64]


def curves_in_latex(curve: MMSECurve, gap: Array, given: str) -> str:
    """Both curves against log-SNR, without and with the given variable.

    Args:
        curve: The error curves.
        gap: The gap between them, `(k,)`.
        given: Name of the given variable, as LaTeX.

    Returns:
        The picture; empty if fewer than two values are finite.
    """
    known = np.isfinite(curve.mse) & np.isfinite(gap)
    if known.sum() < 2:
        return ""
    logsnr, without, gap = curve.logsnr[known], curve.mse[known], gap[known]
    top = max(float(without.max()), 1e-12)
    x = WIDTH * (logsnr - logsnr[0]) / np.ptp(logsnr)
    legend = f"squared error of the predicted noise: solid without {given}, dashed with {given}"
    lines = [
        r"\begin{center}",
        r"\setlength{\unitlength}{1mm}",
        rf"\begin{{picture}}({WIDTH:g},{HEIGHT + 20:g})(0,-12)",
        rf"\put(0,0){{\line(1,0){{{WIDTH:g}}}}}",
        rf"\put(0,0){{\line(0,1){{{HEIGHT:g}}}}}",
        *(
            rf"\put({at:g},-4){{\makebox(0,0){{${value:.0f}$}}}}"
            for at, value in ((0.0, logsnr[0]), (WIDTH, logsnr[-1]))
        ),
        rf"\put({WIDTH / 2:g},-4){{\makebox(0,0){{log-SNR}}}}",
        rf"\put(-2,{HEIGHT:g}){{\makebox(0,0)[r]{{{top:.2g}}}}}",
        r"\put(-2,0){\makebox(0,0)[r]{0}}",
        rf"\put({WIDTH / 2:g},-9){{\makebox(0,0){{{legend}}}}}",
        *_path(x, HEIGHT * without / top),
        *_path(x, HEIGHT * (without - gap) / top, dashed=True),
        r"\end{picture}",
        r"\end{center}",
    ]
    return "\n".join(lines)


def _path(x: Array, y: Array, dashed: bool = False) -> list[str]:
    """Straight pieces, which `qbezier` draws at any slope; every second half for dashes."""
    pieces = []
    for k in range(len(x) - 1):
        share = 0.5 if dashed else 1.0
        end = x[k] + share * (x[k + 1] - x[k]), y[k] + share * (y[k + 1] - y[k])
        middle = 0.5 * (x[k] + end[0]), 0.5 * (y[k] + end[1])
        points = ((x[k], y[k]), middle, end)
        pieces.append(r"\qbezier" + "".join(f"({a:.1f},{b:.1f})" for a, b in points))
    return pieces
