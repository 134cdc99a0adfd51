"""The rows of a page's leaderboard."""

import dataclasses
import re
from pathlib import Path

from pipeline.results import Results, load_results
from pipeline.results.analysis.leaderboard import columns
from pipeline.results.report.leaderboard_rows import leaderboard_rows
from pipeline.results.tables.trials import ranked
from pipeline.study import Objective
from tests.unit.results.studies import Recording, tune_job


def test_text_of_a_study_is_escaped(asha_results: Results) -> None:
    """Markup and control characters in a value are shown, and neither becomes a part of the page."""
    trials = asha_results.trials.assign(state="<b>\x1b[31m")
    changed = dataclasses.replace(asha_results, trials=trials)
    html = leaderboard_rows(changed, numeric=[False] * len(columns(changed)), printed=3, linked=())

    assert "<b>" not in html
    assert r"&lt;b&gt;\x1b[31m" in html
    assert "\x1b" not in html


def test_trials_with_more_to_say_are_links(asha_results: Results) -> None:
    """The ids of trials with details are links, and rows beyond the printed ones are marked."""
    order = ranked(asha_results)
    html = leaderboard_rows(asha_results, numeric=[True] * len(columns(asha_results)), printed=3, linked=order[:2])

    assert re.findall(r'href="#trial-(\d+)"', html) == order[:2]
    assert html.count(' beyond">') == len(order) - 3


def test_an_infinite_value_has_a_key_that_a_script_reads_as_a_number(tmp_path: Path) -> None:
    """An infinite value of a second objective is sorted as infinity, under the name that JavaScript has for it."""
    job = tune_job("infinite", objectives=[Objective("val_accuracy", "max"), Objective("val_loss", "min")])
    study = Recording(tmp_path, job)
    study.train("0000", 1, {"lr": 0.1}, 0.5, 1.0, val_loss=float("inf"))
    study.end(2.0)
    results = load_results(study.store.uri)
    html = leaderboard_rows(results, numeric=[True] * len(columns(results)), printed=3, linked=())
    assert '<td data-key="Infinity" class="number">inf</td>' in html
