"""Configs in the columns of a frame."""

import math
from typing import Any

import pandas as pd
import pytest

from pipeline.results import Results
from pipeline.results.tables.load import config_of
from pipeline.results.tables.trials import configs_of, given
from pipeline.space import Choice, Uniform

SPACE = {"lr": Uniform(0, 1), "mix": Choice([1, "1.5", None, [64, 32]]), "n": Choice([1, 2.5]), "fixed": 3}


def test_a_value_has_the_type_of_its_domain() -> None:
    """Values that a table has as text or as floats get the types of their domains in a config."""
    row = {"config_lr": 0.5, "config_mix": "[64, 32]", "config_n": 1.0, "config_fixed": 3}
    config = config_of(row, SPACE)
    assert config == {"lr": 0.5, "mix": [64, 32], "n": 1, "fixed": 3}
    assert type(config["n"]) is int
    assert config_of({**row, "config_mix": "null"}, SPACE)["mix"] is None
    assert config_of({**row, "config_mix": "1.5"}, SPACE)["mix"] == "1.5"


@pytest.mark.parametrize("empty", [None, math.nan, pd.NA])
def test_a_parameter_without_a_value_is_left_out(empty: Any) -> None:
    """A config does not have a parameter that is empty in its row."""
    row = {"config_lr": 0.5, "config_n": empty}
    assert config_of(row, SPACE) == {"lr": 0.5}
    assert configs_of(pd.DataFrame([row, {"config_lr": 0.25, "config_n": 2.5}]), SPACE) == [
        {"lr": 0.5},
        {"lr": 0.25, "n": 2.5},
    ]


def test_many_rows_are_read_as_one_by_one(domains_results: Results, branches_results: Results) -> None:
    """Configs of many rows equal those of single rows, for each kind of parameter and for branches."""
    for results in (domains_results, branches_results):
        rows = results.epochs
        assert configs_of(rows, results.space) == [config_of(row, results.space) for _, row in rows.iterrows()]


def test_each_config_has_its_own_list() -> None:
    """A change to one config changes neither another config nor the domain."""
    first, second = configs_of(pd.DataFrame({"config_mix": ["[64, 32]", "[64, 32]"]}), SPACE)
    first["mix"].append(1)  # type: ignore[union-attr]
    assert second["mix"] == [64, 32]
    assert SPACE["mix"].values[3] == [64, 32]  # type: ignore[union-attr]


def test_none_is_a_value_and_nan_is_not() -> None:
    """None is a value of a config as it was drawn, and NaN is a missing value."""
    assert given(pd.Series([None, 1, math.nan, "a"], dtype=object)).tolist() == [True, True, False, True]
