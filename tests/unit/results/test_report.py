"""The report is one page that loads nothing, agrees with the tables, and shows markup in texts as text."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.results import Results, load_results
from pipeline.results.analysis.parameters import format_value
from pipeline.results.report import page as report
from pipeline.results.report.page import report_page, write_report
from pipeline.results.report.sections import Section, sections
from pipeline.results.tables.trials import board
from pipeline.space import Choice, Uniform
from pipeline.storage import layout
from pipeline.study import Objective
from tests.front_studies import recorded
from tests.html_page import Page
from tests.recorded_studies import HOSTILE, Recording, asha_study
from tests.small_studies import of_function

OF_RUNGS, OF_PARAMETERS = "Epoch at which each trial was stopped", "Objective against each hyperparameter"


@pytest.fixture(scope="module")
def text(asha: Recording) -> str:
    """The page of a study with rungs, failures and a hostile error."""
    return Path(write_report(asha.store)).read_text()


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def found(results: Results) -> dict[str, Section]:
    return {section.title: section for section in sections(results)}


def test_every_picture_has_an_alternative(page: Page) -> None:
    pictures = [attributes for attributes in page.all("div") if attributes.get("role") == "img"]
    assert len(pictures) == len(page.all("figure")) >= 9
    assert all(len(attributes["aria-label"] or "") > 20 for attributes in pictures)
    assert all(attributes.get("aria-hidden") == "true" for attributes in page.all("svg"))


def test_a_picture_that_cannot_be_drawn_says_so(tmp_path: Path) -> None:
    study = of_function(tmp_path, lambda config: 1.7e308 if config["a"] > 0.5 else -1.7e308, trials=12)
    assert "This picture cannot be drawn" in report_page(study)


def test_columns_that_a_report_does_not_read_change_nothing(text: str, asha_results: Results, tmp_path: Path) -> None:
    assert text == report_page(asha_results)
    uri = recorded(tmp_path, Objective("parameters", "min"), Objective("speed", "max")).store.uri
    assert report_page(load_results(uri, whole=False)) == report_page(load_results(uri))


def test_a_report_shows_no_key_of_a_storage(tmp_path: Path) -> None:
    """Not in its text, nor in the tables and pictures of a study whose configs have one."""
    space = {"a": Uniform(0.0, 1.0), "d": Choice(("s3://KEY:KEY@bucket/x", "abfs://c@a/y?sig=KEY"))}
    study = of_function(tmp_path, lambda config: config["a"], trials=12, space=space)
    page = report_page(replace(study, location="s3://KEY:KEY@bucket/study"))
    assert "KEY" not in page
    assert page.count("s3://…bucket/") > 12


def test_nothing_is_loaded_from_anywhere(text: str, page: Page) -> None:
    assert "http://" not in text
    assert "https://" not in text
    assert HOSTILE in page.text
    assert len(page.all("script")) == 1
    links = [attributes.get(name) for _, attributes in page.elements for name in ("src", "href", "xlink:href")]
    assert all(link.startswith(("#", "data:")) for link in links if link is not None)
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in (policy or "")


def test_every_reference_within_the_page_leads_somewhere(text: str, page: Page) -> None:
    ids = re.findall(r'\sid="([^"]+)"', text)
    used = re.findall(r"url\(#([^)]+)\)", text) + re.findall(r'href="#([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert set(used) <= set(ids)
    contents = text.partition('<nav class="contents"')[2].partition("</nav>")[0]
    linked = re.findall(r'<a href="#([^"]+)">', contents)
    assert linked == [section["aria-labelledby"] for section in page.all("section")]


def test_the_leaderboard_has_every_trial_the_best_first(text: str, asha_results: Results) -> None:
    rows = re.findall(r'<tr class="([^"]*)" data-trial="([^"]+)">', text)
    assert [trial for _, trial in rows] == board(asha_results)["trial_id"].to_pylist()
    assert rows[0] == ("best", asha_results.best.trial_id)
    assert 'class="number" aria-sort="descending"><button type="button">val_accuracy</button>' in text


@pytest.mark.usefixtures("no_pictures")
def test_a_report_is_written_into_the_study(tmp_path: Path) -> None:
    study = asha_study(tmp_path, trials=2)
    assert write_report(study.store) == f"{study.store.uri}/{layout.REPORT}"
    assert study.store.read_text(layout.REPORT) == report_page(load_results(study.store.uri))


@pytest.mark.usefixtures("no_pictures")
def test_the_best_trials_have_their_configs_and_decisions(
    asha_results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "DETAILED_TRIALS", 3)
    text = report_page(asha_results)
    best = board(asha_results)["trial_id"].to_pylist()[:3]
    assert re.findall(r'<details id="trial-([^"]+)">', text) == best
    assert re.findall(r'<a href="#trial-([^"]+)">', text) == best
    details = Page(text.partition(f'<details id="trial-{best[0]}">')[2].partition("</details>")[0])
    assert asha_results.best is not None
    for name, value in asha_results.best.config.items():
        assert f"{name} {format_value(value)}" in details.text
    own = asha_results.decisions[asha_results.decisions["trial_id"] == best[0]]
    for epoch, kind, reason in zip(own["epoch"], own["kind"], own["reason"], strict=True):
        assert f"{epoch} {kind} {reason}" in details.text


@pytest.mark.parametrize(("study", "has", "lacks"), [
    ("asha_results", ["Learning curves", OF_RUNGS, "Where the time went"], ["Copied weights"]),
    ("pbt_results", ["Copied weights"], [OF_RUNGS]),
])  # fmt: skip
def test_a_study_has_the_sections_it_has_something_to_show_for(
    study: str, has: list[str], lacks: list[str], request: pytest.FixtureRequest
) -> None:
    titles = found(request.getfixturevalue(study))
    assert set(has) <= set(titles)
    assert not set(lacks) & set(titles)


def test_pictures_show_the_first_of_many_hyperparameters(wide: Results) -> None:
    shown = found(wide)
    assert len(shown[OF_PARAMETERS].pictures) == 16
    for title in (OF_PARAMETERS, "All hyperparameters together"):
        assert "Of 60 hyperparameters, the" in shown[title].note


def test_each_further_objective_has_a_picture_against_the_first(tmp_path: Path) -> None:
    further = [Objective("parameters", "min"), Objective("seconds_train", "min")]
    results = load_results(recorded(tmp_path, *further).store.uri)
    pictures = found(results)["One objective against another"].pictures
    assert ["against parameters" in one.alt for one in pictures] == [True, False]


def test_captions_say_in_numbers_what_pictures_show(asha_results: Results, known: Results) -> None:
    shown, best = found(asha_results), asha_results.best
    assert best is not None
    caption = {picture.name: picture.caption() for section in shown.values() for picture in section.pictures}
    assert caption["curves"].startswith(f"Trial {best.trial_id} reaches val_accuracy {best.value:.4g} at epoch 9; the")
    assert " 2 trials failed" in caption["curves"]
    assert re.match(r"val_accuracy 0\.9666 was reached after .* of .*", caption["best"])
    assert re.fullmatch(r"The best 5 of 22 trials: [\d.]+ to [\d.]+\.", caption["against-0"])
    (bars,) = found(known)["What mattered"].pictures
    assert re.search(r"Best: a at .* and c at ", bars.caption())
