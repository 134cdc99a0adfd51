"""Data functions of the config: what they read, and what a study records of their data."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from pipeline.datasets import Dataset, Split, load
from pipeline.datasets.config_reads import ConfigReads, RecordedConfig, takes_config
from pipeline.datasets.fingerprint import differences, fingerprint, first_recorded, recorded_for, with_combination
from pipeline.errors import DataError

CONFIG = {"size": 3, "rate": 0.1, "layers": [4, 5]}


def sized(config: Mapping[str, Any]) -> Dataset:
    """A data set with as many rows, and columns if given, as the config says."""
    rows = np.zeros((config["size"], config.get("columns", 2)))
    return Dataset("sized", Split(rows, np.zeros(len(rows))))


def test_functions_with_a_parameter_get_the_config() -> None:
    """A data function with one required parameter gets the config, and one with two is refused."""
    assert takes_config(sized)
    assert not takes_config(lambda: None)
    assert not takes_config(lambda config=None: config)
    assert not takes_config("mnist")

    def two(config: Any, more: Any) -> None:
        """A data function with two required parameters."""

    with pytest.raises(DataError, match="parameters config, more; it may have none, or one"):
        takes_config(two)


@pytest.mark.parametrize(
    ("read", "names"),
    [
        (lambda c: c["size"], ["size"]),
        (lambda c: c.get("size"), ["size"]),
        (lambda c: "rate" in c, ["rate"]),
        (lambda c: dict(**c), list(CONFIG)),
        (lambda c: {**c}, list(CONFIG)),
        (lambda c: dict(c), list(CONFIG)),
        (lambda c: json.dumps(c), list(CONFIG)),
        (lambda c: sorted(c), list(CONFIG)),
        (lambda c: list(c.items()), list(CONFIG)),
        (lambda c: str(c), list(CONFIG)),
        (lambda c: c == {}, list(CONFIG)),
        (lambda c: c != {}, list(CONFIG)),
        (lambda c: len(c), list(CONFIG)),
        (lambda c: c or {}, []),
        (lambda c: c | {"more": 1}, list(CONFIG)),
        (lambda c: list(reversed(c)), list(CONFIG)),
        (lambda c: c.popitem(), list(CONFIG)),
        (lambda c: c.setdefault("size", 9), ["size"]),
        (lambda c: c["layers"].append(6), ["layers"]),
    ],
)
def test_parameters_that_a_data_function_reads_are_recorded(read: Callable[[Any], Any], names: list[str]) -> None:
    """The parameters that a data function reads are recorded, by name or as the whole config."""
    config = RecordedConfig(CONFIG)
    read(config)
    assert dict(config.reads.values) == {name: CONFIG[name] for name in names}


def test_a_parameter_that_is_missing_is_recorded_too() -> None:
    """A config that has a parameter recorded as missing may have other data; unread parameters do not matter."""
    config = RecordedConfig(CONFIG)
    load(sized, config)
    reads = config.reads
    assert (dict(reads.values), reads.absent) == ({"size": 3}, ("columns",))
    assert reads.fits({"size": 3, "rate": 7})
    assert not reads.fits({"size": 4})
    assert not reads.fits({"size": 3.0})
    assert not reads.fits({"size": 3, "columns": 2})


def test_a_study_records_the_data_of_each_combination() -> None:
    """A config's fingerprint is recorded for its combination, and a second record of it replaces the first."""
    prints = {size: fingerprint(sized({"size": size})) for size in (2, 3)}
    recorded: Any = None
    for size in (2, 3, 2):
        recorded = with_combination(recorded, ConfigReads({"size": size}, ("columns",)), prints[size])
    recorded = json.loads(json.dumps(recorded))
    assert recorded_for(recorded, {"size": 3, "rate": 1}) == prints[3]
    assert recorded_for(recorded, {"size": 4}) is None
    assert first_recorded(recorded) == {"size": 3}
    assert recorded_for(prints[2], {"size": 9}) == prints[2]
    other = with_combination(recorded, ConfigReads({"size": 3}, ("columns",)), prints[2])
    assert differences(recorded, other) == [
        "with size=3 the train inputs have shape (2, 2) instead of (3, 2)",
        "with size=3 the train targets have shape (2,) instead of (3,)",
    ]
    assert differences(prints[2], recorded) == ["the data function now takes the config"]
