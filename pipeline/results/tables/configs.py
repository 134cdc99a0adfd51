"""Configs in the config_* columns of a frame, each value with the type that its domain gives it."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.space import Config, Space, Value
from pipeline.space.column_values import config_value, listed_values

__all__ = ["config_of", "configs_of", "given"]


def config_of(row: Mapping[str, Any] | pd.Series, space: Space) -> Config:
    """The config in the config_* columns of a row, each value as it was drawn; an empty one is left out.

    Args:
        row: A row of `trials` or `epochs`.
        space: Parameter name → domain or constant.
    """
    config: Config = {}
    for name, domain in space.items():
        value = row.get(f"config_{name}")
        if value is None or value is pd.NA or value != value:
            continue
        config[name] = config_value(value.item() if hasattr(value, "item") else value, listed_values(domain))
    return config


def configs_of(rows: pd.DataFrame, space: Space) -> list[Config]:
    """The config of each row, as `config_of` returns it.

    Args:
        rows: Rows of `trials` or `epochs`.
        space: Parameter name → domain or constant.
    """
    configs: list[Config] = [{} for _ in range(len(rows))]
    for name, domain in space.items():
        column = f"config_{name}"
        if column not in rows:
            continue
        listed = listed_values(domain)
        meant: dict[Any, Value] = {}
        for config, value in zip(configs, rows[column].tolist(), strict=True):
            if value is None or value is pd.NA or value != value:
                continue
            if listed is not None:
                # Each kind of value is looked for once: there are as many as the domain has.
                key = (type(value), value)
                if key not in meant:
                    meant[key] = config_value(value, listed)
                value = meant[key]
                if isinstance(value, list | dict):
                    value = deepcopy(value)
            config[name] = value
    return configs


def given(values: pd.Series) -> npt.NDArray[np.bool_]:
    """A mask of the values that are present: NaN stands for none, and None is a value like any other.

    Args:
        values: Values as drawn; NaN where a trial has none.

    Returns:
        One bool for each value.
    """
    return np.array([value == value for value in values], np.bool_)
