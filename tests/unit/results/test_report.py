"""The report: one page that needs nothing else, says what the tables say, and takes no text for markup."""

import json
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.axes import Axes

from pipeline.errors import JobNotFound
from pipeline.results import Results, load_results, report
from pipeline.results.leaderboard import ranked
from pipeline.results.report import report_page, write_report
from pipeline.results.summary import duration, saved_epochs, span_in_words
from pipeline.results.svg import inline_svg
from pipeline.space import Choice, LogUniform, Switch
from pipeline.storage import Store
from pipeline.study import layout
from tests.unit.results.edges import EDGES
from tests.unit.results.studies import HOSTILE, START, Recording, tune_job

_VOID = {"meta", "link", "br", "img"}


class _Page(HTMLParser):
    """What a browser would find: elements with their attributes, and text outside style and script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Attributes of all elements of that name."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        """All text that is read."""
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def text(asha_results: Results) -> str:
    """The page of a study with rungs, failures and a hostile error."""
    return report_page(asha_results)


@pytest.fixture(scope="module")
def page(text: str) -> _Page:
    """That page as a browser finds it."""
    return _Page(text)


@pytest.mark.parametrize("edge", list(EDGES))
def test_a_study_at_the_edge_has_a_whole_page(tmp_path: Path, edge: str) -> None:
    """Whatever a study holds, its page is closed, lists each trial, and loads nothing."""
    results = load_results(EDGES[edge](tmp_path).store.uri, now=START)
    text = report_page(results)
    page = _Page(text)

    assert page.open == []
    assert text.count('<tr class="') == len(results.trials)
    assert results.name in page.text
    assert "://" not in text.replace(results.location, "")
    assert not re.search(r"<(td|dd)[^>]*>\s*(nan|None|inf)\s*<", text)


def test_every_picture_has_an_alternative_and_a_caption_with_numbers(page: _Page) -> None:
    """Who cannot see a picture is told what it shows, and everybody what is seen in it."""
    pictures = [attributes for attributes in page.all("div") if attributes.get("role") == "img"]

    assert len(pictures) == len(page.all("figure")) == len(page.all("figcaption")) >= 9
    assert all(len(attributes["aria-label"] or "") > 20 for attributes in pictures)
    assert all(attributes.get("aria-hidden") == "true" for attributes in page.all("svg"))


def test_captions_say_numbers(text: str) -> None:
    """No caption is without one."""
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", text)

    assert captions
    assert all(re.search(r"\d", caption) for caption in captions)


def test_hostile_text_is_shown_and_not_run(page: _Page, asha_results: Results) -> None:
    """Names, errors and choices are text, wherever they come from."""
    assert HOSTILE in page.text
    assert len(page.all("script")) == 1

    hostile = {**asha_results.study, "job": {**asha_results.job, "name": HOSTILE, "description": HOSTILE}}
    hostile["job"]["objectives"] = [{"metric": "val_accuracy", "mode": "max"}]
    renamed = _Page(report_page(replace(asha_results, study=hostile, location=HOSTILE)))
    assert len(renamed.all("script")) == 1


def test_hostile_text_within_a_picture_stays_text() -> None:
    """What a picture says can't end its element."""
    svg = inline_svg(lambda ax: ax.set_title(HOSTILE), name="x", size=(300, 200))

    assert "<script" not in svg
    assert "&lt;script&gt;" in svg


def test_nothing_is_loaded_from_anywhere(text: str, page: _Page) -> None:
    """The page reads the same without a network, and forbids itself to use one."""
    assert "http://" not in text
    assert "https://" not in text
    links = [attributes.get(name) for _, attributes in page.elements for name in ("src", "href", "xlink:href")]
    assert all(link.startswith(("#", "data:")) for link in links if link is not None)
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in (policy or "")


def test_every_reference_within_the_page_leads_somewhere(text: str) -> None:
    """Clips and marks are found, and no two elements share an id."""
    ids = re.findall(r'\sid="([^"]+)"', text)
    used = re.findall(r"url\(#([^)]+)\)", text) + re.findall(r'href="#([^"]+)"', text)

    assert len(ids) == len(set(ids))
    assert set(used) <= set(ids)


def test_colours_follow_the_page(text: str) -> None:
    """Pictures name variables, so that they can be read by day and by night."""
    pictures = "".join(re.findall(r"<svg.*?</svg>", text, re.DOTALL))

    assert "var(--accent)" in pictures
    assert not re.findall(r"#[0-9a-f]{6}\b(?!-)", re.sub(r"(url\(|href=\")#[^)\"]+", "", pictures))
    assert "prefers-color-scheme: dark" in text


def test_the_leaderboard_has_every_trial_the_best_first(text: str, asha_results: Results) -> None:
    """Trials stand in their order, each cell with the key by which it sorts."""
    first = re.findall(r'<tr class="[^"]*">\s*<td data-key="([^"]+)">', text)

    assert first == ranked(asha_results)
    assert re.search(rf'<tr class="best">\s*<td data-key="{asha_results.best.trial_id}">', text)


def test_the_summary_tells_what_was_found(page: _Page, asha_results: Results) -> None:
    """Best value, failures and what early stopping saved are said in words."""
    best = asha_results.best
    saved, whole = saved_epochs(asha_results)

    assert f"The best is trial {best.trial_id} with val_accuracy {best.value:.4g} at epoch {best.epoch}" in page.text
    assert "2 failed" in page.text
    assert f"Early stopping saved {saved} epochs of {whole}" in page.text


def test_test_metrics_are_told_where_they_are(asha_results: Results) -> None:
    """The winner's score on the test split stands in the summary."""
    text = _Page(report_page(replace(asha_results, test={"test_loss": 0.1, "test_accuracy": 0.9512}))).text

    assert "test_loss 0.1 and test_accuracy 0.9512" in text


def test_paper_gets_the_best_trials_and_is_told_of_the_rest(
    asha_results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows beyond so many are marked as not to be printed, and counted; on a short leaderboard none is."""
    assert " beyond" not in report_page(asha_results)
    monkeypatch.setattr(report, "_PRINTED", 20)
    page = report_page(asha_results)

    assert page.count(' beyond">') == len(asha_results.trials) - 20
    assert f"… and {len(asha_results.trials) - 20} more" in page


def test_saved_epochs_are_those_of_stopped_trials(asha_results: Results) -> None:
    """A failed trial saves nothing; a stopped one what it did not train."""
    stopped = asha_results.trials[asha_results.trials["state"] == "stopped"]
    completed = (asha_results.trials["state"] == "completed").sum()

    assert saved_epochs(asha_results) == (int((9 - stopped["epochs"]).sum()), 9 * (len(stopped) + completed))


def _cut_off(root: Path, *, compared: bool) -> Results:
    """Two trials of four epochs whose study ends after the second; one of them may be stopped before by comparison."""
    study = Recording(root, tune_job("cut", scheduler="asha", budget={"trials": 2, "epochs": 4}))
    for number in range(2):
        trial = layout.trial_id(number)
        study.decide(trial, 0, "start", 0.0)
        for epoch in (1, 2):
            study.train(trial, epoch, {"lr": 0.1}, 0.1 * number + 0.1 * epoch, 1.0 * epoch)
        rung = {"rung": 2, "cutoff": 0.25, "value": 0.2} if compared and not number else {}
        study.decide(trial, 2, "stop", 2.0, "The study's budget of 2 seconds is spent.", **rung)
    study.end(2.0)
    return load_results(study.store.uri)


def test_what_a_spent_budget_cut_off_is_not_called_early_stopping(tmp_path: Path) -> None:
    """Neither is it said to have saved epochs: nobody decided against these trials."""
    results = _cut_off(tmp_path, compared=False)
    text = _Page(report_page(results)).text

    assert saved_epochs(results) == (0, 0)
    assert "Both trials were cut off by the study's end." in text
    assert "trials 2 2 cut off by the end" in text
    assert "none saved by early stopping" in text


def test_both_kinds_of_stops_are_told_apart(tmp_path: Path) -> None:
    """Only the trial that was compared saved epochs."""
    results = _cut_off(tmp_path, compared=True)
    text = _Page(report_page(results)).text

    assert saved_epochs(results) == (2, 4)
    assert "Of 2 trials, 1 stopped early and 1 cut off by the study's end." in text
    assert "Early stopping saved 2 epochs of 4 (50%)" in text
    assert "1 trial was stopped; that saved 2 epochs of 4" in text


def test_a_parameter_that_no_trial_has_is_named_and_not_drawn(tmp_path: Path) -> None:
    """A branch that was never taken has no values: an empty picture would say nothing."""
    space = {"lr": LogUniform(1e-4, 1.0), "way": Switch({"a": {}, "b": {"decay": LogUniform(0.01, 1.0)}})}
    study = Recording(tmp_path, tune_job("branch", space=space))
    for number in range(3):
        trial, config = layout.trial_id(number), {"lr": 0.1 * (number + 1), "way": "a"}
        study.decide(trial, 0, "start", 0.0, config_after=config)
        study.train(trial, 1, config, 0.3 * number, 1.0)
        study.decide(trial, 1, "finish", 1.0)
    study.end(1.0)
    page = _Page(report_page(load_results(study.store.uri)))

    alts = [element.get("aria-label") or "" for element in page.all("div")]
    assert "Scatter chart of val_accuracy against lr." in alts
    assert "Scatter chart of val_accuracy against decay." not in alts
    assert "No trial has decay." in page.text


def test_the_table_says_by_which_column_it_is_sorted(page: _Page, domains_results: Results) -> None:
    """By the objective: downwards where much is good, upwards where little is."""
    assert [head.get("aria-sort") for head in page.all("th")][:3] == [None, "descending", None]
    loss = _Page(report_page(domains_results))
    assert [head.get("aria-sort") for head in loss.all("th")][:3] == [None, "ascending", None]


def test_the_best_quarter_of_listed_values_is_listed() -> None:
    """Between two values that can be chosen there is nothing to be chosen."""
    assert span_in_words(Choice((32, 64, 128)), pd.Series([128, 32, float("nan"), 128])) == "32, 128"
    assert span_in_words(LogUniform(0.1, 1.0), pd.Series([0.5, 0.25])) == "0.25 to 0.5"
    assert span_in_words(LogUniform(0.1, 1.0), pd.Series([float("nan")])) == "–"


def test_a_population_shows_its_lineage(pbt_results: Results) -> None:
    """Exploits bring two sections of their own, and no rungs."""
    text = report_page(pbt_results)

    assert "Lineage" in text
    assert "The schedule that was found" in text
    assert "Who was stopped where" not in text


def test_the_same_study_gives_the_same_page(text: str, asha_results: Results) -> None:
    """Nothing in it depends on the moment."""
    assert report_page(asha_results) == text


def test_write_report_puts_the_page_into_the_study(asha: Recording) -> None:
    """It lies beside the tables, and the answer says where."""
    where = write_report(asha.store)

    assert where == f"{asha.store.uri}/{layout.REPORT}"
    assert Path(where).read_text().startswith("<!doctype html>")


def test_a_report_of_no_study_says_so(tmp_path: Path) -> None:
    """No folder is made for a study that is not there."""
    with pytest.raises(JobNotFound, match="no study 'nothing'"):
        write_report(Store(tmp_path / "nothing"))
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.07, "70 ms"),
        (3.21, "3.2 s"),
        (9.96, "10 s"),
        (59.7, "1 min 0 s"),
        (245, "4 min 5 s"),
        (3599.8, "1 h 0 min"),
        (7384, "2 h 3 min"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float, words: str) -> None:
    """Two units at most, and no 60 seconds."""
    assert duration(seconds) == words


def test_spots_lie_where_the_trials_are_drawn() -> None:
    """In the picture's own units, on a linear and on a logarithmic axis; what lies beyond the axes is left out."""

    def draw(ax: Axes) -> None:
        ax.set_xscale("log")
        ax.plot([1, 10, 1000], [0.5, 0.25, 0.75], "o")
        ax.set_xlim(0.5, 100)

    spots = [("a", 1.0, 0.5), ("<b>", 10.0, 0.25), ("c", 1000.0, 0.75)]
    svg = inline_svg(draw, name="x", size=(400, 300), spots=spots)
    found = re.search(r'data-spots="([^"]*)"', svg)
    assert found
    placed = json.loads(unescape(found[1]))
    drawn = [(float(x), float(y)) for x, y in re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)"[^>]*/>', svg)]
    assert [name for name, *_ in placed] == ["a", "<b>"]
    for _, x, y in placed:
        assert min(abs(x - left) + abs(y - top) for left, top in drawn) < 0.2
