"""The report is one page that loads nothing, agrees with the tables, and shows markup in texts as text."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.results import Results
from pipeline.results.analysis.parameters import format_value
from pipeline.results.report import page as report
from pipeline.results.report.page import report_page, write_report
from pipeline.results.tables.trials import ranked
from pipeline.study import layout
from tests.html_page import Page
from tests.recorded_studies import HOSTILE, Recording


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


def test_the_leaderboard_has_every_trial_the_best_first(text: str, asha_results: Results) -> None:
    """The report's leaderboard has all trials in the order of their ranks, with the best one and the order marked."""
    rows = re.findall(r'<tr class="([^"]*)" data-trial="([^"]+)">', text)
    assert [trial for _, trial in rows] == ranked(asha_results)
    assert rows[0] == ("best", asha_results.best.trial_id)
    assert 'class="number" aria-sort="descending"><button type="button">val_accuracy</button>' in text


def test_write_report_writes_the_page_into_the_study(asha: Recording, text: str) -> None:
    """write_report writes the page next to the tables, returns its path, and gives the same page each time."""
    where = write_report(asha.store)

    assert where == f"{asha.store.uri}/{layout.REPORT}"
    assert Path(where).read_text() == text


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
