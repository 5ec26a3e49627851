"""Arrays, tensors and lists of the user as NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmg_nb.data.numbers import LARGEST_EXACT
from mmg_nb.errors import MMGError, brief

__all__ = ["plain_array", "to_numpy"]

_ARRAY = "Pass a numpy array, a pandas Series or DataFrame, or a PyTorch tensor."


def to_numpy(values: Any, name: str) -> NDArray[Any]:
    """An array with one row per sample. Arguments and errors are those of `plain_array`."""
    array = plain_array(values, name)
    if array.ndim == 0:
        what = f"{name} must be an array with one row per sample; got "
        if hasattr(values, "toarray"):
            raise MMGError(f"{what}a sparse {type(values).__name__}.", f"Pass {name}.toarray().")
        raise MMGError(f"{what}{brief(values)}.", _ARRAY)
    return array


def plain_array(values: Any, name: str) -> NDArray[Any]:
    """A NumPy array of any number of axes.

    Args:
        values: A NumPy array, masked or not, a tensor on any device, nested lists, or whatever
            NumPy can convert.
        name: For error messages.

    Returns:
        The array. Masked values are NaN, NaT or None. Lists of numbers and texts, and lists with
        integers that float64 cannot hold, become Python objects, so that no type and no digit
        is lost.

    Raises:
        MMGError: The values cannot be converted.
    """
    if hasattr(values, "detach"):
        return _of_tensor(values, name)
    lists = isinstance(values, (list, tuple))
    if lists and any(hasattr(v, "detach") for v in values):
        values = [_of_tensor(v, name) if hasattr(v, "detach") else v for v in values]
    try:
        array = np.asarray(values)
        if lists and array.ndim in (1, 2) and _loses(array):
            array = np.asarray(values, dtype=object)
    except ValueError as error:
        what = f"{name} must have rows of equal length; got ragged lists."
        raise MMGError(what, "Give every row the same number of values.") from error
    except Exception as error:  # whatever the conversion of a user's object raises
        what = f"{name} is no array of numbers: {type(error).__name__}: {error}."
        raise MMGError(what, _ARRAY) from error
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        array = _filled(values)
    return array


def _loses(array: NDArray[Any]) -> bool:
    """Whether a list has lost types or digits on its way to this array."""
    if array.dtype.kind != "f":
        return array.dtype.kind in "US"
    return bool(np.nanmax(np.abs(array), initial=0.0) > LARGEST_EXACT)


def _filled(masked: np.ma.MaskedArray[Any, Any]) -> NDArray[Any]:
    if masked.dtype.kind == "f":
        return np.ma.filled(masked.astype(np.float64), np.nan)
    kind = masked.dtype.kind
    filled: NDArray[Any] = masked.data.copy() if kind in "mMcV" else masked.data.astype(object)
    if kind not in "cV":  # these are refused later
        filled[np.ma.getmaskarray(masked)] = "NaT" if kind in "mM" else None
    return filled


def _of_tensor(tensor: Any, name: str) -> NDArray[Any]:
    """Convert a tensor on any device, with or without gradients."""
    if getattr(tensor, "is_nested", False):
        what = f"{name} must be a dense tensor; got a nested one."
        raise MMGError(what, "Give every row the same number of values: torch.stack(rows).")
    try:
        tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
        values: NDArray[Any] = (tensor.double() if tensor.is_floating_point() else tensor).numpy()
    except (TypeError, NotImplementedError, RuntimeError) as error:  # sparse, quantised, meta
        what = f"{name} must be a dense tensor; got {tensor.layout} on {tensor.device}."
        raise MMGError(what, f"Convert it first: {name}.to_dense().") from error
    return values
