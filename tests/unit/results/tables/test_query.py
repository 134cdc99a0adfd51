"""Questions in SQL: answered from the tables, and from nothing else."""

from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.results import Results
from pipeline.results.tables.load import load_results
from pipeline.results.tables.sql import query, select_trials
from tests.unit.results.front_studies import recorded


def test_a_condition_keeps_the_trials_for_which_it_holds(asha_results: Results) -> None:
    """A condition selects the trials that pandas finds by the same condition."""
    reported = select_trials(asha_results, where="config_lr > 0.01 and state = 'completed'")
    trials = asha_results.trials
    wanted = trials[(trials["config_lr"] > 0.01) & (trials["state"] == "completed")]
    assert reported["trial_id"].to_pylist() == wanted["trial_id"].to_list()
    assert 0 < reported.num_rows < len(trials)


def test_columns_and_rows_are_in_the_requested_order(asha_results: Results) -> None:
    """Columns are in the requested order, rows are sorted, `-` sorts in descending order, and missing ones are last."""
    down = select_trials(asha_results, sort=["-objective"], columns=["objective", "trial_id"])
    up = select_trials(asha_results, sort=["objective"], columns=["objective"])
    known = [value for value in down["objective"].to_pylist() if value is not None]
    assert down.column_names == ["objective", "trial_id"]
    assert known == sorted(known, reverse=True)
    assert len(known) < down.num_rows
    assert up["objective"].to_pylist() == [*sorted(known), *[None] * (down.num_rows - len(known))]
    states = select_trials(asha_results, sort=["state", "-epochs"], columns=["state", "epochs"]).to_pylist()
    assert states == sorted(states, key=lambda row: (row["state"], -row["epochs"]))


@pytest.mark.parametrize(
    ("asked", "reported"),
    [
        (
            {"where": "lr > 1"},
            'Referenced column "lr" not found in FROM clause. Did you mean config_lr? Available: col',
        ),
        ({"where": "trials.lr > 1"}, "Did you mean config_lr?"),
        ({"where": "qqq > 1"}, "Available: columns study, trial_id"),
        ({"where": "1); drop table trials; select (1"}, "must be one condition; found '1"),
        ({"where": "state ="}, "syntax error"),
        ({"where": " "}, "must be a condition, as in"),
        ({"sort": ["-lr"]}, "Did you mean config_lr?"),
        ({"columns": ["objektive"]}, "Did you mean objective?"),
    ],
)
def test_an_invalid_query_is_refused(asha_results: Results, asked: dict[str, str], reported: str) -> None:
    """An invalid query is refused with the reason and the columns that exist."""
    with pytest.raises(UsageError, match=reported.replace("?", r"\?")):
        select_trials(asha_results, **asked)  # type: ignore[arg-type]


def test_sql_that_names_a_hyperparameter_alone_gets_its_column_suggested(asha_results: Results) -> None:
    """SQL that names a hyperparameter without its prefix is refused with its column as the suggestion."""
    with pytest.raises(UsageError, match=r"Did you mean config_lr\? Available: tables trials"):
        query({"a": asha_results}, "select t.lr from trials t")


def test_a_comment_in_a_condition_ends_with_it(asha_results: Results) -> None:
    """A comment at the end of a condition does not affect the query around the condition."""
    assert select_trials(asha_results, where="state = 'failed' -- both of them").num_rows == 2


def test_tables_of_several_studies_are_one_with_null_where_a_study_has_no_such_column(
    asha_results: Results, pbt_results: Results
) -> None:
    """A table of several studies has the rows of all, with null for parameters that a row's study lacks."""
    both = {"a": asha_results, "b": pbt_results}
    counts = query(both, "select study, count(*) as n, count(config_units) as units from trials group by 1 order by 1")
    assert counts.to_pylist() == [
        {"study": "a", "n": len(asha_results.trials), "units": len(asha_results.trials)},
        {"study": "b", "n": len(pbt_results.trials), "units": 0},
    ]
    for table in ("epochs", "decisions"):
        reported = query(both, f"select study, count(*) as n from {table} group by 1 order by 1")["n"].to_pylist()
        assert reported == [len(getattr(asha_results, table)), len(getattr(pbt_results, table))]


def test_several_objectives_can_be_selected(tmp_path: Path) -> None:
    """Values of several objectives at each trial's best epoch, and the front, can be selected."""
    results = load_results(recorded(tmp_path).store.uri)
    found = select_trials(results, where="front and parameters < 5000", sort=["-parameters"]).to_pylist()
    assert [(row["trial_id"], row["parameters"]) for row in found] == [("0000", 1000.0), ("0001", 50.0), ("0004", 10.0)]
