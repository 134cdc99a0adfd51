"""The fingerprint of data, and the parameters that a data function reads."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipeline.datasets import Dataset, RecordedConfig, Split, differences, fingerprint, load

CONFIG = {"size": 3, "rate": 0.1, "layers": [4, 5]}
X: Any = {"a": np.arange(6.0).reshape(3, 2), "b": np.array(["x", "y", "z"], object)}
DATA = Dataset("d", Split(X, np.zeros(3), np.ones(3)), (np.zeros(2), np.zeros(2)))


def sized(config: Mapping[str, Any]) -> Dataset:
    rows = np.zeros((config["size"], config.get("columns", 2)))
    return Dataset("sized", Split(rows, np.zeros(len(rows))))


@pytest.mark.parametrize(("changed", "place"), [
    (Split({**X, "a": X["a"] + 1}, np.zeros(3), np.ones(3)), "train.x.a has other values"),
    (Split({**X, "b": np.array(["x", "y", "w"], object)}, np.zeros(3), np.ones(3)), "train.x.b has other values"),
    (Split(X, np.zeros((3, 1)), np.ones(3)), "train.y was shape (3,)"),
    (Split(X, np.zeros(3, np.float32), np.ones(3)), "train.y was shape (3,)"),
    (Split(X, np.zeros(3)), "train.weight was shape (3,) of <f8, and is missing"),
    (tf.data.Dataset.range(3).batch(1), "train was missing, and is a tf.data.Dataset"),
])  # fmt: skip
def test_each_change_of_the_data_is_named(changed: Any, place: str) -> None:
    before, now = fingerprint(DATA), json.loads(json.dumps(fingerprint(replace(DATA, train=changed))))
    assert differences(before, json.loads(json.dumps(fingerprint(DATA)))) == []
    found = differences(before, now)
    assert any(change.startswith(place) for change in found)
    assert not any("validation" in change for change in found)


def test_hashes_do_not_depend_on_the_memory_layout() -> None:
    x = np.arange(3e6).reshape(1000, 3000)
    assert fingerprint(Dataset("d", (x, x))) == fingerprint(Dataset("d", (np.asfortranarray(x), x)))


@pytest.mark.parametrize(("read", "names"), [
    (lambda c: c["size"], ["size"]),
    (lambda c: c.get("size"), ["size"]),
    (lambda c: "rate" in c, ["rate"]),
    (lambda c: c["layers"].append(6), ["layers"]),
    (lambda c: c or {}, []),
    *((read, list(CONFIG)) for read in (lambda c: {**c}, dict, sorted, str, lambda c: list(c.items()))),
])  # fmt: skip
def test_parameters_that_a_data_function_reads_are_recorded(read: Callable[[Any], Any], names: list[str]) -> None:
    config = RecordedConfig(CONFIG)
    read(config)
    assert dict(config.reads.values) == {name: CONFIG[name] for name in names}


def test_configs_with_the_same_values_of_what_was_read_have_the_same_data() -> None:
    config = RecordedConfig(CONFIG)
    load(sized, config)
    reads = config.reads
    assert (dict(reads.values), reads.absent) == ({"size": 3}, ("columns",))
    assert reads.fits({"size": 3, "rate": 7})
    assert not any(map(reads.fits, ({"size": 4}, {"size": 3.0}, {"size": 3, "columns": 2})))
