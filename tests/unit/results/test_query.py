"""Questions in SQL: answered from the tables, and from nothing else."""

import dataclasses
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.results import Results
from pipeline.results.load import load_results
from pipeline.results.query import labels, query, select_trials
from tests.unit.results.fronts import recorded


def test_a_condition_keeps_the_trials_for_which_it_holds(asha_results: Results) -> None:
    """The rows are those that pandas finds by the same condition."""
    told = select_trials(asha_results, where="config_lr > 0.01 and state = 'completed'")
    trials = asha_results.trials
    wanted = trials[(trials["config_lr"] > 0.01) & (trials["state"] == "completed")]
    assert told["trial_id"].to_pylist() == wanted["trial_id"].to_list()
    assert 0 < told.num_rows < len(trials)


def test_columns_come_as_asked_and_rows_as_sorted(asha_results: Results) -> None:
    """`-` sorts downwards; what has no value comes last both ways; ties go by trial."""
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
    ("asked", "told"),
    [
        ({"where": "lr > 1"}, "There are the columns study, trial_id"),
        ({"where": "1); drop table trials; select (1"}, "must be one condition; found '1"),
        ({"where": "state ="}, "syntax error"),
        ({"where": " "}, "must be a condition, as in"),
        ({"sort": ["-lr"]}, "Did you mean config_lr?"),
        ({"columns": ["objektive"]}, "Did you mean objective?"),
    ],
)
def test_what_cannot_be_answered_is_told(asha_results: Results, asked: dict[str, str], told: str) -> None:
    """The message says what is wrong, and which columns there are."""
    with pytest.raises(UsageError, match=told.replace("?", r"\?")):
        select_trials(asha_results, **asked)  # type: ignore[arg-type]


def test_a_comment_in_a_condition_ends_with_it(asha_results: Results) -> None:
    """Two hyphens at its end hide nothing that follows."""
    assert select_trials(asha_results, where="state = 'failed' -- both of them").num_rows == 2


def test_tables_of_several_studies_are_one_with_null_where_a_study_has_no_such_column(
    asha_results: Results, pbt_results: Results
) -> None:
    """Rows add up by study; a parameter of one study is null in the other."""
    both = {"a": asha_results, "b": pbt_results}
    counts = query(both, "select study, count(*) as n, count(config_units) as units from trials group by 1 order by 1")
    assert counts.to_pylist() == [
        {"study": "a", "n": len(asha_results.trials), "units": len(asha_results.trials)},
        {"study": "b", "n": len(pbt_results.trials), "units": 0},
    ]
    for table in ("epochs", "decisions"):
        told = query(both, f"select study, count(*) as n from {table} group by 1 order by 1")["n"].to_pylist()
        assert told == [len(getattr(asha_results, table)), len(getattr(pbt_results, table))]


@pytest.mark.parametrize(
    "sql",
    [
        "select * from '{0}'", "select * from read_csv('{0}')", "select * from read_text('{0}')",
        "select * from glob('{0}')", "copy trials to '{0}'", "attach '{0}.db'", "install httpfs", "load httpfs",
        "set enable_external_access = true", "select 1; select 2", "drop table trials", "select * from results",
        "export database '{0}'", "", "selec 1", "select '\ud800'",
    ],
)  # fmt: skip
def test_nothing_but_the_tables_can_be_reached(pbt_results: Results, tmp_path: Path, sql: str) -> None:
    """Files, extensions, settings, and this program's variables are refused with a message; nothing is written."""
    file = tmp_path / "file.csv"
    file.write_text("a,b\n1,2\n")
    with pytest.raises(UsageError):
        query({"a": pbt_results}, sql.format(file))
    assert list(tmp_path.iterdir()) == [file]
    assert file.read_text() == "a,b\n1,2\n"


def test_studies_called_alike_are_told_apart_as_the_caller_named_them(
    asha_results: Results, pbt_results: Results
) -> None:
    """A copy keeps the name in its study.json; its folder tells it apart. The same one named twice counts once."""
    copy = dataclasses.replace(asha_results)
    named = [("x/one/", asha_results), ("y/one", copy), ("p", pbt_results), ("p", pbt_results)]
    assert list(labels(named)) == ["x/one", "y/one", pbt_results.name]


def test_several_objectives_can_be_asked_for(tmp_path: Path) -> None:
    """Their values at each trial's best epoch, and who is on the front, as the leaderboard shows them."""
    results = load_results(recorded(tmp_path).store.uri)
    found = select_trials(results, where="front and parameters < 5000", sort=["-parameters"]).to_pylist()
    assert [(row["trial_id"], row["parameters"]) for row in found] == [("0000", 1000.0), ("0001", 50.0), ("0004", 10.0)]
