"""Provenance of a result: seed, versions, device, time."""

from __future__ import annotations

import platform
from functools import cache
from typing import Any

__all__ = ["provenance"]


def provenance(seed: int, device: str, seconds: float) -> dict[str, Any]:
    """Provenance as stored with a result; its one-line text does not show it.

    Args:
        seed: Seed of all random numbers.
        device: Device of the computation.
        seconds: Wall time.

    Returns:
        A dictionary of plain values.
    """
    return {"seed": seed, "device": device, "seconds": seconds, "versions": dict(_versions())}


@cache
def _versions() -> dict[str, str]:
    """Read once, because looking for installed packages takes as long as a closed form."""
    # Imported here because loading the extension must take no time for it.
    from importlib.metadata import PackageNotFoundError, version

    from mmg_nb import __version__

    versions = {"mmg_nb": __version__, "python": platform.python_version()}
    for package in ("numpy", "scipy", "torch"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
