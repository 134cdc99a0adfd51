"""Sections of a report that a second process draws."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from pipeline.results import Results, second_process
from pipeline.results.report import sections as drawing
from pipeline.results.report.analysis_process import analysing
from pipeline.results.report.page import report_page
from pipeline.results.report.sections import AnalysedSections, analysed_sections
from tests.unit.results.studies import Recording

NOTHING = AnalysedSections((), ())


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which a second process pays for any study, and this process draws nothing that needs analyses."""
    monkeypatch.setattr(second_process, "pays", lambda _store: True)
    monkeypatch.setattr(drawing, "analysed_sections", lambda _results: NOTHING)


@pytest.fixture(scope="module")
def drawn_here(asha_results: Results) -> AnalysedSections:
    """The sections as this process draws them."""
    return analysed_sections(asha_results)


@pytest.mark.long
@pytest.mark.usefixtures("elsewhere")
def test_the_sections_are_those_of_one_process(
    drawn_here: AnalysedSections, asha: Recording, asha_results: Results
) -> None:
    """A second process draws the same sections, so that the page is the same."""
    with analysing(asha.store) as analysed:
        page = report_page(asha_results, analysed)
    assert drawn_here.why
    assert page == report_page(asha_results, lambda _results: drawn_here)


@pytest.mark.usefixtures("elsewhere")
def test_a_study_that_went_on_is_drawn_here(asha: Recording, asha_results: Results) -> None:
    """Where the second process has read more rows than this one, this one draws the sections itself."""
    with analysing(asha.store) as analysed:
        assert analysed(replace(asha_results, decisions=asha_results.decisions.iloc[:-1])) is NOTHING


@pytest.mark.usefixtures("elsewhere")
def test_a_process_that_dies_is_replaced(
    asha: Recording, asha_results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the second process fails, this one draws the sections itself."""
    ask: Callable[..., None] = second_process.ask
    monkeypatch.setattr(second_process, "ask", lambda process, uri: ask(process, f"{uri}/nothing"))
    with analysing(asha.store) as analysed:
        assert analysed(asha_results) is NOTHING


@pytest.mark.usefixtures("elsewhere")
def test_a_process_ends_with_its_context(asha: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second process ends with its context, also if its answer was not asked for."""
    process = second_process.started("pipeline.results.report.analysis_process")
    monkeypatch.setattr(second_process, "started", lambda *_: process)
    with analysing(asha.store):
        assert process.poll() is None
    assert process.returncode is not None


def test_a_small_study_needs_no_process(
    asha: Recording, asha_results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sections of a small study are drawn without a second process."""
    monkeypatch.setattr(second_process, "started", lambda *_: pytest.fail("a process was started"))
    monkeypatch.setattr(drawing, "analysed_sections", lambda _results: NOTHING)
    with analysing(asha.store) as analysed:
        assert analysed(asha_results) is NOTHING
