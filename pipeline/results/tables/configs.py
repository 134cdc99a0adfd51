"""Configs in the config_* columns of a table, each value with the type that its domain gives it."""

from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Union

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.space import Config, Space, Value, config_value, listed_values

if TYPE_CHECKING:
    import pandas as pd


def config_of(row: Union[Mapping[str, Any], "pd.Series"], space: Space) -> Config:
    """The config in the config_* columns of a row, each value as it was drawn; an empty one is left out."""
    config: Config = {}
    for name, domain in space.items():
        value: Any = row.get(f"config_{name}")
        value = value.item() if hasattr(value, "item") else value
        if not _missing(value):
            config[name] = config_value(value, listed_values(domain))
    return config


def configs_of(rows: Union[pa.Table, "pd.DataFrame"], space: Space) -> list[Config]:
    """The config of each row, as `config_of` returns it."""
    arrow = isinstance(rows, pa.Table)
    columns = rows.column_names if arrow else rows.columns
    configs: list[Config] = [{} for _ in range(len(rows))]
    for name, domain in space.items():
        column = f"config_{name}"
        if column not in columns:
            continue
        listed = listed_values(domain)
        meant: dict[Any, Value] = {}
        values = rows[column].to_pylist() if arrow else rows[column].tolist()
        for config, value in zip(configs, values, strict=True):
            if _missing(value):
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


def _missing(value: Any) -> bool:
    """Whether a value stands for none: NaN differs from itself, and pandas' NA does not say whether it does."""
    return value is None or (value != value) is not False


def given(values: "pd.Series") -> npt.NDArray[np.bool_]:
    """A mask of the values that are present: NaN stands for none, and None is a value like any other."""
    column = values.to_numpy(object)
    return np.asarray(column == column, np.bool_)
