"""A table as Arrow's and as a frame."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.results import Results
from pipeline.results.tables.arrow_or_frame import ArrowOrFrame


def test_each_form_is_made_from_the_other(asha_results: Results) -> None:
    """A table and its frame have the same columns and values in the same order, whichever was given."""
    table = asha_results.table("trials")
    frame = ArrowOrFrame(table).frame
    assert list(frame.columns) == table.column_names
    assert frame["trial_id"].tolist() == table["trial_id"].to_pylist()
    again = ArrowOrFrame(frame.iloc[::-1]).table
    assert again.column_names == table.column_names
    assert again["best_epoch"].to_pylist() == table["best_epoch"].to_pylist()[::-1]


def test_whole_numbers_with_gaps_stay_whole() -> None:
    """A column of integers with a null is one of integers in the frame, too."""
    frame = ArrowOrFrame(pa.table({"rung": [1, None], "count": [1, 2]})).frame
    assert [str(kind) for kind in frame.dtypes] == ["Int64", "int64"]


def test_some_columns_are_those_of_the_frame(asha_results: Results) -> None:
    """Some columns have the order asked for and the frame's rows and types, whether or not the frame was made."""
    names = ["epoch", "trial_id", "time"]
    forms = ArrowOrFrame(asha_results.table("epochs"))
    before = forms.columns(names)
    pd.testing.assert_frame_equal(before, forms.frame[names])
    pd.testing.assert_frame_equal(before, forms.columns(names))
    pd.testing.assert_frame_equal(before, asha_results.columns("epochs", names))


def test_a_frame_shares_the_memory_of_its_table() -> None:
    """A frame does not copy numbers of a table in one chunk."""
    table = pa.table({"number": [1.5, 2.5], "count": [1, 2]})
    frame = ArrowOrFrame(table).frame
    for name in table.column_names:
        assert np.shares_memory(frame[name].to_numpy(), table[name].chunk(0).to_numpy())


def test_a_frame_can_be_changed_in_place() -> None:
    """A user may set values of a frame that shares its table's memory; the table keeps its own."""
    forms = ArrowOrFrame(pa.table({"number": [1.5, 2.5], "count": [1, 2]}))
    forms.frame.loc[0, "number"] = 3.5
    forms.frame.iloc[1, 1] = 4
    assert forms.frame.to_numpy().tolist() == [[3.5, 1.0], [2.5, 4.0]]
    assert forms.table.to_pydict() == {"number": [1.5, 2.5], "count": [1, 2]}


def test_the_frame_is_made_once(asha_results: Results) -> None:
    """Results give the same frame each time, and a changed copy its own."""
    assert asha_results.epochs is asha_results.epochs
    fewer = replace(asha_results, trials=asha_results.trials.head(2))
    assert (len(fewer.trials), fewer.table("trials").num_rows) == (2, 2)
    assert len(asha_results.trials) > 2


def test_pandas_is_imported_at_the_first_frame(asha_results: Results) -> None:
    """After `postpone_pandas`, Arrow works without pandas, and a frame can still be made and recognised."""
    program = (
        "import sys, pyarrow as pa; from pipeline.results.tables.arrow_or_frame import ArrowOrFrame, postpone_pandas\n"
        "postpone_pandas(); table = pa.table({'a': pa.array([1, 2])})\n"
        "assert 'pandas' not in sys.modules\n"
        "frame = ArrowOrFrame(table).frame\n"
        "assert pa.array(frame['a']).to_pylist() == [1, 2] and pa.table(frame).equals(table)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_leaderboard_needs_no_pandas(asha_results: Results) -> None:
    """`tunepipe results` of one study imports no pandas, as text and as JSON."""
    for option in ([], ["--json"]):
        program = (
            "import sys; from pipeline.cli.commands import app; app(sys.argv[1:], standalone_mode=False); "
            "assert 'pandas' not in sys.modules"
        )
        words = ["results", asha_results.location, *option]
        subprocess.run([sys.executable, "-c", program, *words], check=True, stdout=subprocess.DEVNULL)
