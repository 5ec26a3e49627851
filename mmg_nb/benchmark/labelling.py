"""Labels of estimators in tables."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from mmg_nb.benchmark.worker import Record

__all__ = ["labels"]


def labels(records: Iterable[Record]) -> dict[str, str]:
    """Unique labels of the estimators of all records, by cell id.

    Records made with different defaults can have equal labels. Such labels are extended by the
    fields that differ.
    """
    listed = list(records)
    variants: defaultdict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for record in listed:
        variants[record["label"]][_canonical(record["fields"])] = record["fields"]
    return {
        record["id"]: _extended_label(record, list(variants[record["label"]].values()))
        for record in listed
    }


def _extended_label(record: Record, variants: Sequence[dict[str, Any]]) -> str:
    label: str = record["label"]
    names = dict.fromkeys(name for fields in variants for name in fields)
    differing = [
        f"{name}={record['fields'].get(name, '–')}"
        for name in names
        if len({_canonical(fields.get(name, "–")) for fields in variants}) > 1
    ]
    if not differing:
        return label
    return label + (", " if ":" in label else ": ") + ", ".join(differing)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
