"""What tests record in a small study, and read from its tables."""

import pandas as pd
import pyarrow as pa

from pipeline.storage.tables import read_tables
from tests.unit.results.studies import Recording

CONFIG = {"lr": 0.1, "momentum": 0.5, "units": 32, "optimizer": "sgd", "dropout": 0.1, "epochs_warm": 2}


def trials_of(study: Recording) -> dict[str, dict[str, object]]:
    """Rows of `trials` by id, after what was recorded so far."""
    study.flush()
    return {row["trial_id"]: row for row in read_tables(study.store, study.study).trials.to_pylist()}


def assert_same(table: pa.Table, other: pa.Table) -> None:
    """Assert that two tables are equal, where NaN equals NaN."""
    pd.testing.assert_frame_equal(table.to_pandas(), other.to_pandas())
