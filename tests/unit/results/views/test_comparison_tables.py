"""A comparison as tables."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from pipeline.results import Results
from pipeline.results.analysis.comparison import Comparison, compared
from pipeline.results.views.comparison_tables import comparison_tables, comparison_view, comparison_warnings, studies_of
from pipeline.space import Uniform
from tests.unit.results.small_studies import of_function, one_epoch_study, printed, wide_study

VALUES = np.random.default_rng(0).uniform(0.1, 0.2, 20)


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Two studies of the same configs, the first clearly better, that differ in their seeds."""
    root = tmp_path_factory.mktemp("compared")
    return compared({"a": one_epoch_study(root, "a", VALUES + 0.5), "b": one_epoch_study(root, "b", VALUES, seed=1)})


def test_each_question_is_a_table(comparison: Comparison) -> None:
    """A comparison has a table for the studies, the better one, seeds, good configs and shared configs."""
    tables = {title: (note, columns, rows) for title, note, columns, rows in comparison_tables(comparison)}
    assert list(tables) == [
        "Studies",
        "Is the first better?",
        "Studies that differ only in their seed",
        "Where the best quarter of the trials lies",
        "Configs that both have tried",
    ]
    _, columns, rows = tables["Studies"]
    assert columns[:2] == ["study", "best val_accuracy"]
    assert [row[:4] for row in rows] == [
        ["a", f"{max(VALUES) + 0.5:.4g}", "20", "20"],
        ["b", f"{max(VALUES):.4g}", "20", "20"],
    ]
    assert all(len(row) == len(columns) for row in rows)
    note, columns, rows = tables["Is the first better?"]
    assert columns[1] == "difference"
    assert (rows[0][0], rows[0][-2:]) == ("a over b", ["100%", "yes"])
    assert note.startswith(
        "The difference of the expected best of 10 trials, from resampled trials: above 0 the first is"
    )
    assert tables["Studies that differ only in their seed"][0] == "An interval needs 3 seeds."
    assert tables["Configs that both have tried"][2][0][:3] == ["a and b", "20", "+1.00"]


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(0.1, 0.2, "yes"), (-0.2, -0.1, "the other"), (-0.1, 0.1, "undetermined")]
)
def test_an_interval_that_holds_zero_names_no_winner(
    comparison: Comparison, low: float, high: float, verdict: str
) -> None:
    """A comparison whose interval contains zero names no better study."""
    (difference,) = comparison.differences
    other = replace(comparison, differences=[replace(difference, low=low, high=high)])
    assert comparison_tables(other)[1][3][0][-1] == verdict


def test_few_trials_have_no_intervals(tmp_path: Path) -> None:
    """A comparison with too few trials has no interval, and a note with the numbers that there are and are needed."""
    comparison = compared({"a": one_epoch_study(tmp_path, "a", []), "b": one_epoch_study(tmp_path, "b", [0.5])})
    (_, note, columns, rows), *_ = comparison_tables(comparison)
    assert note == (
        "Too few trials with a value for an interval, and to say which study is better: a has 0 and b has 1; at least "
        "5 are needed. No config was tried in more than one study."
    )
    assert "90% interval" not in columns
    assert rows[0][1] == "–"


def test_one_study_with_few_trials_is_named(tmp_path: Path) -> None:
    """If only one of two studies has enough trials, a note says why the question which is better has no answer."""
    many, few = one_epoch_study(tmp_path, "many", VALUES), one_epoch_study(tmp_path, "few", VALUES[:3])
    tables = {title: note for title, note, _, _ in comparison_tables(compared({"many": many, "few": few}))}
    assert "Is the first better?" not in tables
    assert tables["Studies"] == (
        "Too few trials with a value for an interval, and to say which study is better: few has 3; at least 5 "
        "are needed."
    )
    assert tables["Configs that both have tried"] == "A rank correlation needs 5 configs in common."


def test_equal_values_have_no_rank_correlation(tmp_path: Path) -> None:
    """If all values of the configs in common are equal, a note says why there is no rank correlation."""
    studies = {name: one_epoch_study(tmp_path, name, [0.5] * 6) for name in ("a", "b")}
    (*_, (_, note, _, rows)) = comparison_tables(compared(studies))
    assert (rows[0][2], note) == ("–", "A rank correlation needs values that differ.")


def test_the_reason_against_a_comparison_is_the_first_line(comparison: Comparison) -> None:
    """The first line of a comparison gives the reason if its studies cannot be compared."""
    assert comparison_warnings(comparison) == []
    incomparable = replace(
        comparison, comparability_problems=["They were evaluated on different rows."], differences=[]
    )
    warning = "These studies cannot be compared: none is called the best. They were evaluated on different rows."
    assert comparison_warnings(incomparable) == [warning]
    assert printed(comparison_view(incomparable)).startswith(warning)


def test_a_terminal_shows_every_table_with_its_note(comparison: Comparison) -> None:
    """A terminal shows every table of a comparison, and a narrow one omits trials, epochs and time."""
    wide, narrow = (printed(comparison_view(comparison), width) for width in (200, 60))
    for title, _, _, rows in comparison_tables(comparison):
        assert title in wide
        assert rows[0][0] in wide
    assert "An interval needs 3 seeds." in wide
    optional = {"trials", "epochs", "time"}
    assert optional <= set(wide.splitlines()[1].split())
    assert optional.isdisjoint(narrow.splitlines()[1].split())


def test_the_compared_studies_are_known_by_their_names(comparison: Comparison) -> None:
    """The text of a comparison names the studies in the given order."""
    assert [(name, results.name) for name, results in studies_of(comparison).items()] == [("a", "a"), ("b", "b")]


def test_of_many_hyperparameters_the_ranges_of_some_are_shown(tmp_path: Path, wide: Results) -> None:
    """The table of ranges has the 30 most influential hyperparameters of a study, and its note says of how many."""
    other = wide_study(tmp_path, name="other")
    tables = {title: (note, rows) for title, note, _, rows in comparison_tables(compared({"a": wide, "b": other}))}
    note, rows = tables["Where the best quarter of the trials lies"]
    assert (len(rows), rows[0][0]) == (30, "p41")
    assert note.startswith("Of 60 hyperparameters, the 30 with the most influence")


def test_different_domains_of_a_hyperparameter_are_named(tmp_path: Path) -> None:
    """A comparison names the hyperparameters that its studies draw from different domains, and of many only some."""
    spaces = [{**dict.fromkeys("abcdefg", Uniform(0.0, high)), "x": Uniform(0.0, 1.0)} for high in (1.0, 2.0)]
    studies = {
        name: of_function(tmp_path, lambda config: config["x"], trials=20, space=space, name=name)
        for name, space in zip(("one", "two"), spaces, strict=True)
    }
    (note,) = [note for title, note, *_ in comparison_tables(compared(studies)) if title.startswith("Where the best")]
    assert "Domains differ. a: 0 to 1, uniform (one); 0 to 2, uniform (two). b: " in note
    assert note.endswith(" So do those of 2 other hyperparameters.")
    assert "x: " not in note


def test_of_very_many_pairs_those_of_the_best_study_are_shown(tmp_path: Path) -> None:
    """Of the 36 pairs of nine studies, the differences of the best study and the configs that it shares are shown."""
    studies = {f"s{seed}": one_epoch_study(tmp_path, f"s{seed}", VALUES + seed / 100, seed=seed) for seed in range(9)}
    tables = {title: (note, rows) for title, note, _, rows in comparison_tables(compared(studies))}
    for title in ("Is the first better?", "Configs that both have tried"):
        note, rows = tables[title]
        assert len(rows) == 8
        assert all("s8" in row[0].split() for row in rows)
        assert "Of 36 pairs of studies, those of s8 are shown" in note


@pytest.mark.parametrize("mode", ["max", "min"])
def test_all_tables_show_the_pairs_of_the_same_study(tmp_path: Path, mode: Literal["max", "min"]) -> None:
    """The study whose pairs are shown has the best value, also beside a study with too few trials or without values."""
    sign = 1 if mode == "max" else -1
    studies = {f"s{seed}": sign * (VALUES + seed / 100) for seed in range(9)}
    studies |= {"tiny": sign * np.sort(VALUES)[-1:] + sign * 0.079, "none": VALUES[:0]}
    comparison = compared(
        {name: one_epoch_study(tmp_path, name, values, mode=mode) for name, values in studies.items()}
    )
    tables = {title: note for title, note, _, _ in comparison_tables(comparison)}
    for title in ("Is the first better?", "Configs that both have tried"):
        assert "those of s8 are shown, which has the best value" in tables[title]


def test_a_best_study_without_differences_is_named(tmp_path: Path) -> None:
    """If the best study has too few trials, both tables show the pairs of the next one, and name the best one."""
    studies = {f"s{seed}": VALUES + seed / 100 for seed in range(9)} | {"tiny": VALUES[:1] + 0.5}
    comparison = compared({name: one_epoch_study(tmp_path, name, values) for name, values in studies.items()})
    tables = {title: (note, rows) for title, note, _, rows in comparison_tables(comparison)}
    for title in ("Is the first better?", "Configs that both have tried"):
        note, rows = tables[title]
        assert "those of s8 are shown, the best of those that have such pairs in each table; tiny has the best" in note
        assert all("s8" in row[0].split() for row in rows)


def test_of_studies_that_cannot_be_compared_none_is_called_the_best(tmp_path: Path) -> None:
    """The pairs of the first study are shown where studies cannot be compared, and none is called the best."""
    studies = {f"s{seed}": one_epoch_study(tmp_path, f"s{seed}", VALUES + seed / 100) for seed in range(9)}
    other = studies["s8"]
    comparison = compared({**studies, "s8": replace(other, study={**other.study, "job": {**other.job, "folds": 3}})})
    tables = {title: note for title, note, _, _ in comparison_tables(comparison)}
    assert "those of s0 are shown; --json has all." in tables["Configs that both have tried"]
    assert "which has the best value" not in " ".join(tables.values())
