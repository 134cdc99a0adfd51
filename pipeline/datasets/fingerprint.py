"""Hashes of a data set's content, by which a study notices that its data have changed."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from pipeline.datasets.base import Dataset
from pipeline.datasets.config_reads import ConfigReads
from pipeline.datasets.pipelines import describe
from pipeline.wording import counted, listed

_COMBINATIONS = "combinations"

_SPEC = re.compile(r"TensorSpec\(shape=\((?P<shape>\w+,[^)]*)\), dtype=tf\.(?P<dtype>\w+), name=(?:None|'[^']*')\)")
"""How TensorFlow writes the shape and the type of a batch; the first size is the number of rows."""

_CHUNK = 2**24
_THREADS = 4
_PARTS = {"x": "inputs", "y": "targets", "weight": "weights"}


def fingerprint(data: Dataset) -> dict[str, dict[str, Any]]:
    """The shape, the dtype and the hash of every array of a data set, and the description of every pipeline."""
    arrays = {
        f"{name}.{part}{suffix}": array
        for name, split in data.arrays.items()
        for part in _PARTS
        for suffix, array in _named(getattr(split, part))
    }
    with ThreadPoolExecutor(_THREADS) as threads:
        hashes = {
            name: {
                "shape": list(array.shape),
                "dtype": array.dtype.str,
                "sha256": _text_hash(array) if array.dtype.hasobject else _hash(array, threads),
            }
            for name, array in arrays.items()
        }
    return {**hashes, **{name: describe(split) for name, split in data.pipelines.items()}}


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The differences of two fingerprints, in words; empty if the data are the same."""
    if _COMBINATIONS in before or _COMBINATIONS in now:
        return _combination_differences(before, now)
    changes = []
    for name in dict.fromkeys([*before, *now]):
        old, new, what = before.get(name), now.get(name), _in_words(name)
        if old is None or new is None:
            verb = "is" if "." not in name else "are"
            changes.append(f"there {verb} {'now' if old is None else 'no'} {what}")
        elif "pipeline" in old:
            if pipeline_text(old) != pipeline_text(new):
                changes.append(f"the {what} is {pipeline_text(new)} instead of {pipeline_text(old)}")
            elif old != new:
                changes.append(f"the {what} has different content, in the same number of rows")
        elif old["shape"] != new["shape"]:
            changes.append(f"the {what} have shape {tuple(new['shape'])} instead of {tuple(old['shape'])}")
        elif old["dtype"] != new["dtype"]:
            changes.append(f"the {what} are of the type {_type_name(new)} instead of {_type_name(old)}")
        elif None not in (old["sha256"], new["sha256"]) and old["sha256"] != new["sha256"]:
            changes.append(f"the {what} have different values, in the same shape")
    return changes


def unnoticed_changes(found: Mapping[str, Any]) -> str | None:
    """The content that is not compared at a resume, as a clause: that of pipelines, and of objects that
    are not text.
    """
    entries = found[_COMBINATIONS][-1]["arrays"] if _COMBINATIONS in found else found
    without = [_in_words(name) for name, entry in entries.items() if entry.get("sha256") is None]
    if not without:
        return None
    content = f"the content of {listed(f'the {each}' for each in without)}"
    return f"a resume does not notice a change in {content}, because the study stores no hash of it"


def _combination_differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The differences of the combinations that both have; others cannot be compared."""
    if _COMBINATIONS not in before or _COMBINATIONS not in now:
        return [f"the data function {'now takes' if _COMBINATIONS in now else 'no longer takes'} the config"]
    others = {str(_reads(entry)): entry["arrays"] for entry in now[_COMBINATIONS]}
    return [
        f"with {reads} {change}"
        for entry in before[_COMBINATIONS]
        if (reads := str(_reads(entry))) in others
        for change in differences(entry["arrays"], others[reads])
    ]


def recorded_for(recorded: Mapping[str, Any] | None, config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The fingerprint that a study has of the data for a config."""
    if recorded is None or _COMBINATIONS not in recorded:
        return recorded
    entries = (entry for entry in recorded[_COMBINATIONS] if _reads(entry).fits(config))
    return next((entry["arrays"] for entry in entries), None)


def recorded_buffer(recorded: Mapping[str, Any] | None) -> int | None:
    """The rows of the buffer with which a study streams Parquet files; 0 if it loads its data, None if unknown."""
    if recorded is None:
        return None
    return max((int(entry.get("buffer", 0)) for entry in recorded.values() if isinstance(entry, Mapping)), default=None)


def first_recorded(recorded: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The values that a data function has read of a config for the first combination that a study has recorded."""
    entries = (recorded or {}).get(_COMBINATIONS) or [{"config": {}}]
    values: Mapping[str, Any] = entries[0]["config"]
    return values


def with_combination(
    recorded: Mapping[str, Any] | None, reads: ConfigReads, found: Mapping[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    """What a study records of its data, with another combination of the values that its data function reads."""
    entries = [entry for entry in (recorded or {}).get(_COMBINATIONS, ()) if _reads(entry) != reads]
    return {
        _COMBINATIONS: [*entries, {"config": dict(reads.values), "absent": list(reads.absent), "arrays": dict(found)}]
    }


def _reads(entry: Mapping[str, Any]) -> ConfigReads:
    return ConfigReads(entry["config"], tuple(entry["absent"]))


def _named(tree: Any, suffix: str = "") -> Iterator[tuple[str, np.ndarray]]:
    if tree is None:
        return
    if isinstance(tree, Mapping | tuple):
        parts = tree.items() if isinstance(tree, Mapping) else enumerate(tree)
        for name, part in parts:
            yield from _named(part, f"{suffix}.{name}")
    else:
        yield suffix, tree


def _hash(array: np.ndarray, threads: ThreadPoolExecutor) -> str:
    """The hash of the hashes of the array's bytes, a block of rows at a time."""
    rows = max(1, _CHUNK // max(1, array.nbytes // max(1, len(array)))) if array.ndim else 1
    pieces = [array[begin : begin + rows] for begin in range(0, len(array), rows)] if array.ndim else [array]
    return hashlib.sha256(b"".join(threads.map(_digest, pieces))).hexdigest()


def _text_hash(array: np.ndarray) -> str | None:
    """The hash of an array of `str` or `bytes` objects; None if it has others, which may have no stable bytes."""
    digest = hashlib.sha256()
    for value in array.flat:
        if isinstance(value, str):
            kind, content = b"s", value.encode(errors="surrogatepass")
        elif isinstance(value, bytes):
            kind, content = b"b", value
        else:
            return None
        # With its length: otherwise other texts could have the same bytes in sequence.
        digest.update(b"%b%d:%b" % (kind, len(content), content))
    return digest.hexdigest()


def _digest(piece: np.ndarray) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(piece).reshape(-1).view(np.uint8).data).digest()


def _type_name(entry: Mapping[str, Any]) -> str:
    try:
        return str(np.dtype(entry["dtype"]).name)
    except TypeError:
        return str(entry["dtype"])


def pipeline_text(entry: Mapping[str, Any]) -> str:
    """A pipeline in words."""
    if "rows" in entry:
        files = counted(entry["files"], "Parquet file")
        return f"a stream of {entry['rows']:,} rows of {files}, with the columns {entry['elements']}"
    batches = (
        "an unknown number of batches" if entry["batches"] is None else counted(entry["batches"], "batch", "batches")
    )
    elements = _SPEC.sub(lambda found: _spec_text(found["shape"], found["dtype"]), entry["elements"])
    return f"a {entry['pipeline']} with {batches} of {elements}"


def _spec_text(shape: str, dtype: str) -> str:
    """The shape of one row and its type, as in `32×32×1 float32`; before it the number of rows, where it is fixed."""
    rows, *sizes = ["?" if size.strip() == "None" else size.strip() for size in shape.split(",") if size.strip()]
    return " ".join(filter(None, ["" if rows == "?" else f"{rows} rows of", "×".join(sizes), dtype]))


def _in_words(name: str) -> str:
    split, _, rest = name.partition(".")
    if not rest:
        return f"{split} pipeline"
    part, *place = rest.split(".", 1)
    which = f" {place[0]}" if place else ""
    return f"{split} {_PARTS.get(part, part)}{which}"
