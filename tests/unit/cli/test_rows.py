"""Which rows and columns a command line asks for."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.cli.rows import Rows, names, show_rows
from pipeline.errors import UsageError
from pipeline.results import load_results
from pipeline.results.tables.trials import ranked
from pipeline.study import Objective
from tests.unit.results.front_studies import recorded


def test_columns_are_named_with_commas() -> None:
    """Column names are separated by commas, blanks around them are ignored, and a missing option names no column."""
    assert names(" state, -seconds", "--sort", "state,-seconds") == ["state", "-seconds"]
    assert names(None, "--sort", "state,-seconds") == []


@pytest.mark.parametrize("text", ["", " ", ",", " , "])
def test_an_option_that_names_no_column_is_refused(text: str) -> None:
    """An option that names no column is refused with the value found and the columns allowed."""
    with pytest.raises(UsageError, match=r"--columns must name columns .* for example trial_id,objective; found"):
        names(text, "--columns", "trial_id,objective")


@pytest.mark.parametrize("objectives", [[], [Objective("parameters", "min", at_most=1000)]], ids=["free", "bounded"])
def test_rows_of_a_file_have_the_order_of_the_leaderboard(tmp_path: Path, objectives: list[Objective]) -> None:
    """Without --sort, the best trial comes first and a failed one last, however good its value is."""
    results = load_results(recorded(tmp_path, *objectives).store.uri)
    file = tmp_path / "rows.parquet"
    rows = Rows(where=None, sort=[], columns=["trial_id"], front=False, shape="parquet", output=file, top=None)
    show_rows({results.name: results}, rows)
    written = pq.read_table(file)["trial_id"].to_pylist()
    assert written == ranked(results)
    assert written[-1] == "0005"
