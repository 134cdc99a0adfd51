"""Several studies on one leaderboard: its columns, and values that are not comparable."""

from pathlib import Path

import pytest
from rich.console import Console

from pipeline.results import Results
from pipeline.results.tables.load import load_results
from pipeline.results.tables.query import select_from
from pipeline.results.views.several_studies import best_of_each, objectives_in_words, several_leaderboard
from tests.unit.results.front_studies import recorded
from tests.unit.results.studies import Recording, tune_job


def printed(studies: dict[str, Results], shown: list[tuple[str, str]]) -> list[str]:
    """The leaderboard as plain lines."""
    console = Console(width=300, color_system=None)
    with console.capture() as captured:
        console.print(several_leaderboard(studies, shown))
    return captured.get().splitlines()


def test_each_row_names_its_study_and_has_a_dash_for_missing_columns(
    asha_results: Results, pbt_results: Results, domains_results: Results
) -> None:
    """Each row names its study, and has a dash for columns that only other studies have."""
    studies = {"asha": asha_results, "pbt": pbt_results, "domains": domains_results}
    head, first, second = printed(studies, [("domains", "0005"), ("pbt", "0001")])
    assert head.split()[:4] == ["study", "trial", "val_accuracy", "val_loss"]
    assert head.split().count("lr") == 1
    assert first.split()[:4] == ["domains", "0005", "–", "0.2793"]
    assert second.split()[:4] == ["pbt", "0001", "0.9898", "–"]
    assert "128" in second.split()


def test_a_parameter_called_as_a_metric_is_has_a_column_of_its_own(tmp_path: Path, asha_results: Results) -> None:
    """A parameter with the name of another study's metric has a separate column."""
    study = Recording(tmp_path, tune_job("named", space={"val_accuracy": tune_job("any").space["lr"]}))
    study.train("0000", 1, {"val_accuracy": 0.25}, 0.5, 1.0)
    study.end(1.0)
    head, first = printed({"a": asha_results, "n": load_results(study.store.uri)}, [("n", "0000")])
    assert head.split().count("val_accuracy") == 2
    assert first.split()[:3] == ["n", "0000", "0.5"]
    assert first.split()[-1] == "0.25"


def test_further_objectives_and_the_front_are_those_of_the_study_that_has_them(
    tmp_path: Path, asha_results: Results
) -> None:
    """Further objectives and the front are listed only for the studies that have them."""
    both = load_results(recorded(tmp_path).store.uri)
    head, first, second = printed({"a": asha_results, "b": both}, [("b", "0003"), ("a", "0001")])
    assert head.index("parameters") < head.index("front") < head.index("lr")
    assert "20000  yes" in first
    assert "yes" not in second


def test_values_of_different_objectives_are_sorted_apart(
    asha_results: Results, pbt_results: Results, domains_results: Results
) -> None:
    """Studies of one objective are sorted together, the best first, and apart from those of other objectives."""
    studies = {"asha": asha_results, "domains": domains_results, "pbt": pbt_results}
    rows = select_from(studies, columns=["objective", "state"]).to_pylist()
    last = len(asha_results.trials) + len(pbt_results.trials)
    assert {row["study"] for row in rows[:last]} == {"asha", "pbt"}
    values = [row["objective"] for row in rows[:last] if row["state"] != "failed" and row["objective"] is not None]
    losses = [row["objective"] for row in rows[last:]]
    assert values == sorted(values, reverse=True)
    assert [row["state"] for row in rows[:last]][-2:] == ["failed", "failed"]
    assert losses == sorted(losses)

    upwards = select_from(studies, sort=["objective"], columns=["objective"]).to_pylist()
    assert {row["study"] for row in upwards[last:]} == {"domains"}
    by_time = select_from(studies, sort=["-seconds"], columns=["seconds"])["seconds"].to_pylist()
    assert by_time == sorted(by_time, reverse=True)


def test_the_best_of_each_objective_are_kept(asha_results: Results, pbt_results: Results, domains_results: Results):
    """Of studies with different objectives the best trials of each are kept, and otherwise the best of all."""
    studies = {"asha": asha_results, "domains": domains_results, "pbt": pbt_results}
    kept = best_of_each(studies, select_from(studies), 3)["study"].to_pylist()
    assert kept == ["pbt", "pbt", "pbt", "domains", "domains", "domains"]
    alike = {"asha": asha_results, "pbt": pbt_results}
    assert best_of_each(alike, select_from(alike), 3).num_rows == 3
    assert best_of_each(studies, select_from(studies), None).num_rows == 24 + 12 + 8


@pytest.mark.parametrize(("sort", "mentioned"), [([], True), (["state", "-objective"], True), (["seconds"], False)])
def test_the_text_explains_different_objectives(
    asha_results: Results, pbt_results: Results, domains_results: Results, sort: list[str], mentioned: bool
) -> None:
    """If objectives differ and the order depends on them, the text names each study's objective."""
    reported = objectives_in_words({"a": asha_results, "b": pbt_results, "c": domains_results}, sort)
    assert ("a, b by val_accuracy (max); c by val_loss (min)." in reported) == mentioned
    assert objectives_in_words({"a": asha_results, "b": pbt_results}, sort) == ""
