"""The data before a model sees them: their facts, found by the process that loads them, and the finding from these."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.datasets import Dataset, differences, fingerprint, leaves, non_finite, pipeline_text, without_hash
from pipeline.execution.preflight.finding import DataFacts, Finding
from pipeline.execution.shared_caches import no_room, sharing_in_words
from pipeline.wording import capitalized, size

SEEDED_DRAWS = "Draw from random, numpy.random or keras.random, which are seeded."
"""Advice for a data function that returns different data at each call."""


def data_facts(data: Dataset, before: Mapping[str, Any] | None = None) -> DataFacts:
    """The facts about a data set before a model sees it."""
    now = fingerprint(data)
    train, validation = data.arrays.get("train"), data.arrays.get("validation")
    return DataFacts(
        name=data.name,
        rows={name: split.rows for name, split in data.arrays.items()},
        pipelines={name: pipeline_text(entry) for name, entry in now.items() if "pipeline" in entry},
        inputs=_shapes(train.x) if train is not None else "",
        targets=_shapes(train.y) if train is not None else "",
        classes=len(data.classes),
        bytes=data.bytes,
        non_finite=non_finite(data),
        unseen=_unseen(train.y, validation.y) if train is not None and validation is not None else [],
        fingerprint=now,
        changed=[] if before is None else differences(before, now),
        shared=sharing_in_words(data.shared),
        no_room=no_room(data.shared),
    )


def data_finding(facts: DataFacts, *, of_config: bool = False) -> Finding:
    """Whether a model can learn from the data: shapes, rows, numbers that are not finite."""
    text = _description(facts)
    if facts.non_finite:
        listed = ", ".join(f"{count} in the {where}" for where, count in facts.non_finite.items())
        return Finding(
            "data",
            "error",
            f"{text}. Not finite: {listed}",
            "Fill or drop these rows: weights, and usually the loss, would be NaN.",
        )
    if facts.changed:
        text += f". They differ from those that the study began with: {'; '.join(facts.changed)}"
        return Finding("data", "error", text, "Restore them, or accept these with --accept-changes.")
    if facts.unsteady:
        text += f". The data function returns different data at each call: {'; '.join(facts.unsteady)}"
        if of_config:
            # A trial's data are compared with those of earlier trials that have the same values.
            return Finding("data", "error", f"{text}; trials would fail", SEEDED_DRAWS)
        return Finding("data", "warning", text, SEEDED_DRAWS)
    if facts.shared is not None:
        text += f". {capitalized(facts.shared)}"
    if facts.no_room is not None:
        return Finding("data", "warning", f"{text}. {facts.no_room}", "Set TMPDIR to a folder on a larger disk.")
    if unnoticed := without_hash(facts.fingerprint):
        text += f". A resume does not notice changes of the {', '.join(unnoticed)}: the study stores no hash of it"
    if facts.unseen:
        columns = ", ".join(map(str, facts.unseen))
        advice = "Shuffle the rows before you split them."
        return Finding("data", "warning", f"{text}. The training split has no row of class {columns}", advice)
    return Finding("data", "ok", text)


def _description(facts: DataFacts) -> str:
    """The data in a line: rows, shapes, classes and size; of pipelines, what is known of them."""
    classes = f", {facts.classes} classes" if facts.classes else ""
    if facts.pipelines:
        parts = [f"{count:,} {name} rows" for name, count in facts.rows.items()]
        parts += [f"{name} is {text}" for name, text in facts.pipelines.items()]
        return f"{facts.name}: {'; '.join(parts)}{classes}"
    rows = ", ".join(f"{count:,} {name}" for name, count in facts.rows.items())
    shapes = f"inputs {facts.inputs}, targets {facts.targets or 'none'}"
    return f"{facts.name}: {rows} rows; {shapes}{classes}; {size(facts.bytes)}"


def _shapes(tree: Any) -> str:
    if isinstance(tree, Mapping):
        return ", ".join(f"{name} {_shapes(part)}" for name, part in tree.items())
    return ", ".join(f"{'×'.join(map(str, array.shape[1:])) or '1'} {_type(array)}" for array in leaves(tree))


def _type(array: np.ndarray) -> str:
    return "text" if array.dtype.kind in "OSU" else str(array.dtype)


def _unseen(train: Any, validation: Any) -> list[int]:
    one_hot = all(isinstance(y, np.ndarray) and y.ndim == 2 and y.shape[1] > 1 for y in (train, validation))
    if not one_hot or train.shape[1] != validation.shape[1]:
        return []
    return [int(column) for column in np.flatnonzero(validation.any(axis=0) & ~train.any(axis=0))]
