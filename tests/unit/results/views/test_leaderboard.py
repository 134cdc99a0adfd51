from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from pipeline.results import Results, load_results
from pipeline.results.analysis.domains import format_value
from pipeline.results.views.leaderboard import as_html, leaderboard
from pipeline.space import Choice, Uniform
from pipeline.study import Objective
from pipeline.wording import format_number
from tests.unit.results.studies import Recording, tune_job


def lines_of(results: Results, **settings: int | None) -> list[str]:
    """The leaderboard as plain lines."""
    console = Console(width=200, color_system=None)
    with console.capture() as captured:
        console.print(leaderboard(results, **settings))
    return captured.get().splitlines()


def test_the_first_line_is_the_best_trial(asha_results: Results) -> None:
    """The first row of the leaderboard is the best trial with its value, its epoch and its config."""
    best = asha_results.best
    assert best is not None
    header, first, *_ = lines_of(asha_results)

    assert header.split()[:2] == ["trial", "val_accuracy"]
    assert first.split()[:3] == [best.trial_id, format_number(best.value), str(best.epoch)]
    assert first.split()[-1] == format_value(best.config["dropout"])


def test_a_hostile_metric_is_shown_as_text(asha_results: Results) -> None:
    """A notebook and the representation of results show control characters in a metric's name as escapes."""
    job = {**asha_results.job, "objectives": [{"metric": "<b>\x1b[2J\u202e", "mode": "max"}]}
    results = replace(asha_results, study={**asha_results.study, "job": job})
    assert r"<th>&lt;b&gt;\x1b[2J\u202e</th>" in as_html(results)
    assert r"best <b>\x1b[2J\u202e=" in repr(results)


def test_constants_are_not_shown(asha_results: Results) -> None:
    """A leaderboard has no column for a parameter that is the same for all trials."""
    assert "epochs_warm" not in lines_of(asha_results)[0]
    assert "momentum" in lines_of(asha_results)[0]


def test_top_determines_how_many_trials_are_shown(asha_results: Results) -> None:
    """The summary of a leaderboard has the number of trials shown, which is `top` or all."""
    assert len(lines_of(asha_results, top=3)) == 1 + 3
    assert len(lines_of(asha_results, top=None)) == 1 + len(asha_results.trials)


@pytest.mark.parametrize(("trials", "kept"), [(16, ["telling"]), (8, ["noise_one"])])
def test_the_least_influential_parameters_are_left_out_first(tmp_path: Path, trials: int, kept: list[str]) -> None:
    """A narrow terminal keeps the parameter that the objective depends on, or of too few trials the first one."""
    space = {name: Uniform(0, 1) for name in ("noise_one", "noise_two", "telling")}
    study = Recording(tmp_path, tune_job("wide", space=space))
    for number in range(trials):
        config = {"noise_one": number % 2 / 2, "noise_two": number % 3 / 3, "telling": number / trials}
        study.decide(f"{number:04d}", 0, "start", number, config_after=config)
        study.train(f"{number:04d}", 1, config, number / 100, number + 0.5)
    study.end(trials)
    console = Console(width=66, color_system=None, force_terminal=True)
    with console.capture() as captured:
        console.print(leaderboard(load_results(study.store.uri)))
    assert captured.get().splitlines()[0].split()[-len(kept) :] == kept
    assert "+2 columns" in captured.get()


def test_the_config_is_the_one_that_reached_the_value(tmp_path: Path) -> None:
    """After an exploit, a leaderboard's row shows the config of the trial's best epoch, as `best` does."""
    study = Recording(tmp_path, tune_job("moves", space={"a": Choice((111, 222))}))
    study.decide("0000", 0, "start", 0.0, config_after={"a": 111})
    study.train("0000", 1, {"a": 111}, 0.9, 1.0)
    study.decide("0000", 1, "exploit", 1.5, config_after={"a": 222}, parent_trial="0001")
    study.train("0000", 2, {"a": 222}, 0.1, 2.0)
    study.end(2.0)

    assert lines_of(load_results(study.store.uri))[1].split()[-1] == "111"


def test_text_in_a_config_is_not_taken_for_markup(tmp_path: Path) -> None:
    """Brackets in a value or a metric's name are shown in the leaderboard, not read as styles."""
    study = Recording(tmp_path, tune_job("marked", space={"a": Choice(("[/red]", "[bold]x"))}))
    study.train("0000", 1, {"a": "[/red]"}, 0.5, 1.0)
    study.train("0001", 1, {"a": "[bold]x"}, 0.4, 2.0)
    study.end(2.0)
    lines = lines_of(load_results(study.store.uri))

    assert lines[1].endswith("[/red]")
    assert lines[2].endswith("[bold]x")


def test_a_study_without_trials_has_a_header_only(tmp_path: Path) -> None:
    """Before the first trial the leaderboard is empty, not an error."""
    study = Recording(tmp_path, tune_job("empty"))

    assert len(lines_of(load_results(study.store.uri))) == 1


def test_further_objectives_have_columns_of_their_own(tmp_path: Path) -> None:
    """Further objectives have columns with their values at the same epoch, and a dash for a missing value."""
    job = tune_job(
        "two", space={"a": Choice((1, 2))}, objectives=[Objective("val_accuracy", "max"), Objective("Cost", "min")]
    )
    study = Recording(tmp_path, job, metrics=("val_accuracy", "cost"))
    study.decide("0000", 0, "start", 0.0, config_after={"a": 1})
    for epoch, (value, cost) in enumerate([(0.5, 3.25), (0.7, 4.5), (0.6, 1.0)], start=1):
        study.train("0000", epoch, {"a": 1}, value, float(epoch), cost=cost)
    study.decide("0001", 0, "start", 0.0, config_after={"a": 2})
    study.end(3.0)
    head, first, second = lines_of(load_results(study.store.uri))[:3]
    assert head.split()[-3:] == ["Cost", "front", "a"]
    assert first.split()[-3:] == ["4.5", "yes", "1"]
    assert second.split()[-2:] == ["–", "2"]
