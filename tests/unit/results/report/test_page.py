"""The report is one page that loads nothing, agrees with the tables, and shows markup in texts as text."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import JobNotFound
from pipeline.results import Results, load_results
from pipeline.results.analysis.parameters import format_value
from pipeline.results.analysis.queries import trial_counts
from pipeline.results.report import page as report
from pipeline.results.report.page import comparison_page, report_page, write_report
from pipeline.results.tables.trials import ranked
from pipeline.results.views.comparison import compared
from pipeline.space import LogUniform, Switch
from pipeline.storage import Store
from pipeline.study import layout
from tests.unit.results.html_page import Page
from tests.unit.results.small_studies import cut_off_study, one_epoch_study, user_stopped_study
from tests.unit.results.studies import HOSTILE, Recording, tune_job


@pytest.fixture(scope="module")
def text(asha_results: Results) -> str:
    """The page of a study with rungs, failures and a hostile error."""
    return report_page(asha_results)


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    """That page as a browser finds it."""
    return Page(text)


def test_every_picture_has_an_alternative(page: Page) -> None:
    """Every picture has an alternative text that describes it, in the place of its parts."""
    pictures = [attributes for attributes in page.all("div") if attributes.get("role") == "img"]

    assert len(pictures) == len(page.all("figure")) >= 9
    assert all(len(attributes["aria-label"] or "") > 20 for attributes in pictures)
    assert all(attributes.get("aria-hidden") == "true" for attributes in page.all("svg"))


@pytest.mark.long
def test_hostile_text_is_shown_and_not_run(page: Page, asha_results: Results) -> None:
    """Names, errors, descriptions and locations with markup are shown as text in the report."""
    assert HOSTILE in page.text
    assert len(page.all("script")) == 1

    hostile = {**asha_results.study, "job": {**asha_results.job, "name": HOSTILE, "description": HOSTILE}}
    hostile["job"]["objectives"] = [{"metric": "val_accuracy", "mode": "max"}]
    renamed = Page(report_page(replace(asha_results, study=hostile, location=HOSTILE)))
    assert len(renamed.all("script")) == 1
    assert f"Description: {HOSTILE}" in renamed.text


def test_nothing_is_loaded_from_anywhere(text: str, page: Page) -> None:
    """The report has no address of an external resource, and its content security policy forbids loading any."""
    assert "http://" not in text
    assert "https://" not in text
    links = [attributes.get(name) for _, attributes in page.elements for name in ("src", "href", "xlink:href")]
    assert all(link.startswith(("#", "data:")) for link in links if link is not None)
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in (policy or "")


def test_every_reference_within_the_page_leads_somewhere(text: str) -> None:
    """Every reference within the report has a target, and no two elements share an id."""
    ids = re.findall(r'\sid="([^"]+)"', text)
    used = re.findall(r"url\(#([^)]+)\)", text) + re.findall(r'href="#([^"]+)"', text)

    assert len(ids) == len(set(ids))
    assert set(used) <= set(ids)


def test_colours_follow_the_page(text: str) -> None:
    """Pictures in the report use the page's colour variables, which have values for a dark page."""
    pictures = "".join(re.findall(r"<svg.*?</svg>", text, re.DOTALL))

    assert "var(--accent)" in pictures
    assert not re.findall(r"#[0-9a-f]{6}\b(?!-)", re.sub(r"(url\(|href=\")#[^)\"]+", "", pictures))
    assert "prefers-color-scheme: dark" in text


@pytest.mark.usefixtures("no_pictures")
def test_rare_errors_are_counted(tmp_path: Path) -> None:
    """Of more than fifty different errors, the report has the fifty most frequent ones, and counts the others."""
    study = Recording(tmp_path, tune_job("failing", space={"lr": LogUniform(1e-4, 1.0)}))
    for index in range(60):
        study.decide(f"{index:04d}", 0, "start", index, config_after={"lr": 0.1})
        study.decide(f"{index:04d}", 0, "fail", index + 0.5, f"Error {'x' * index}.")
    study.end(60, "failed")
    shown = Page(report_page(load_results(study.store.uri)))
    assert len(shown.all("pre")) == 50
    assert "… and 10 more errors, which tunepipe results --json lists." in shown.text


def test_the_leaderboard_has_every_trial_the_best_first(text: str, asha_results: Results) -> None:
    """The report's leaderboard has all trials in the order of their ranks, with the best one and the order marked."""
    rows = re.findall(r'<tr class="([^"]*)" data-trial="([^"]+)">', text)
    assert [trial for _, trial in rows] == ranked(asha_results)
    assert rows[0] == ("best", asha_results.best.trial_id)
    assert 'class="number" aria-sort="descending"><button type="button">val_accuracy</button>' in text


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(
    ("study", "tile"),
    [
        (lambda root: cut_off_study(root, compared=False), "2 cut off by the end"),
        (user_stopped_study, "1 stopped by a user"),
    ],
)
def test_trials_are_counted_by_what_stopped_them(tmp_path: Path, study: Any, tile: str) -> None:
    """Trials that the budget or a user ended do not count as stopped early, and saved no epochs."""
    text = Page(report_page(study(tmp_path))).text
    assert tile in text
    assert "none saved by early stopping" in text


@pytest.mark.usefixtures("no_pictures")
def test_a_page_has_some_of_very_many_trials(asha_results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more trials than a browser shows quickly, the leaderboard has the best ones, and says how many others are."""
    monkeypatch.setattr(report, "MAX_ROWS", 5)
    shown = report_page(asha_results)
    assert re.findall(r'<tr class="[^"]*" data-trial="([^"]+)">', shown) == ranked(asha_results)[:5]
    more = len(asha_results.trials) - 5
    assert f"… and {more} more trials, which tunepipe results --format csv --output FILE lists." in Page(shown).text


def test_the_summary_has_the_results(page: Page, asha_results: Results) -> None:
    """The summary has sentences on the best value, the failures and what early stopping saved."""
    best = asha_results.best
    counts = trial_counts(asha_results)

    assert f"val_accuracy {best.value:.4g} of trial {best.trial_id}, epoch {best.epoch}" in page.text
    assert "2 failed" in page.text
    assert f"{counts.saved} of {counts.whole} epochs" in page.text


def test_a_parameter_that_no_trial_has_is_named_and_not_drawn(tmp_path: Path) -> None:
    """A parameter that no trial has is named in the report and has no picture."""
    space = {"lr": LogUniform(1e-4, 1.0), "way": Switch({"a": {}, "b": {"decay": LogUniform(0.01, 1.0)}})}
    study = Recording(tmp_path, tune_job("branch", space=space))
    for number in range(3):
        trial, config = layout.trial_id(number), {"lr": 0.1 * (number + 1), "way": "a"}
        study.decide(trial, 0, "start", 0.0, config_after=config)
        study.train(trial, 1, config, 0.3 * number, 1.0)
        study.decide(trial, 1, "finish", 1.0)
    study.end(1.0)
    page = Page(report_page(load_results(study.store.uri)))

    alts = [element.get("aria-label") or "" for element in page.all("div")]
    assert "Scatter chart of val_accuracy against lr." in alts
    assert "Scatter chart of val_accuracy against decay." not in alts
    assert "No trial has decay." in page.text


def test_write_report_writes_the_page_into_the_study(asha: Recording, text: str) -> None:
    """write_report writes the page next to the tables, returns its path, and gives the same page each time."""
    where = write_report(asha.store)

    assert where == f"{asha.store.uri}/{layout.REPORT}"
    assert Path(where).read_text() == text


def test_a_report_of_a_missing_study_is_refused(tmp_path: Path) -> None:
    """A report of a missing study is refused and creates no folder."""
    with pytest.raises(JobNotFound, match="There is no study 'nothing'"):
        write_report(Store(tmp_path / "nothing"))
    assert not (tmp_path / "nothing").exists()


def test_the_contents_list_every_section(page: Page, text: str) -> None:
    """The contents have a link to every section of the report, in the order of the sections."""
    contents = text.partition('<nav class="contents"')[2].partition("</nav>")[0]
    linked = re.findall(r'<a href="#([^"]+)">', contents)
    assert linked == [section["aria-labelledby"] for section in page.all("section")]
    titles = [re.search(rf'<h2 id="{each}">(.*?)</h2>', text) for each in linked]
    assert re.findall(r'">([^<]+)</a>', contents) == [title[1] for title in titles if title]


@pytest.mark.usefixtures("no_pictures")
def test_the_best_trials_have_their_configs_and_decisions(
    asha_results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of the best trials has its config and its decisions with reasons, and a link from the leaderboard."""
    monkeypatch.setattr(report, "DETAILED_TRIALS", 3)
    text = report_page(asha_results)
    best = ranked(asha_results)[:3]
    assert re.findall(r'<details id="trial-([^"]+)">', text) == best
    assert re.findall(r'<a href="#trial-([^"]+)">', text) == best
    details = Page(text.partition(f'<details id="trial-{best[0]}">')[2].partition("</details>")[0])
    assert asha_results.best is not None
    for name, value in asha_results.best.config.items():
        assert f"{name} {format_value(value)}" in details.text
    own = asha_results.decisions[asha_results.decisions["trial_id"] == best[0]]
    for epoch, kind, reason in zip(own["epoch"], own["kind"], own["reason"], strict=True):
        assert f"{epoch} {kind} {reason}" in details.text


def test_a_comparison_has_its_tables_and_pictures(tmp_path: Path) -> None:
    """The page of a comparison has all tables and pictures, also of an empty study, and an alert where it cannot be."""
    values = np.random.default_rng(0).uniform(0.1, 0.2, 20)
    comparison = compared({"a": one_epoch_study(tmp_path, "a", values + 0.5), "b": one_epoch_study(tmp_path, "b", [])})
    text = comparison_page(replace(comparison, warning="They differ."))
    page = Page(text)
    assert page.open == []
    for by in ("seconds", "trials", "epochs"):
        assert f"Step chart of the best value of 2 studies against {by}." in text
    for table in comparison.tables:
        assert table.title in page.text
    assert "They differ." in page.text
