"""Forests that a second process fits."""

from collections.abc import Callable

import pytest

from pipeline.results import Results, second_process
from pipeline.results.analysis import explained, forest_process
from pipeline.results.analysis.forest_process import fitting
from pipeline.results.views.explanation_object import explanation_object
from tests.unit.results.studies import Recording


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A machine on which a second process pays for any study, and how many samples were fitted in this one."""
    here: list[int] = []
    fit_here = forest_process.fit_here
    monkeypatch.setattr(second_process, "is_worthwhile", lambda _store: True)
    monkeypatch.setattr(forest_process, "fit_here", lambda samples: here.append(len(samples)) or fit_here(samples))
    return here


def test_an_explanation_is_that_of_one_process(elsewhere: list[int], asha: Recording, asha_results: Results) -> None:
    """Forests of a second process give the same explanation, and this process fits none."""
    with fitting(asha.store) as fit:
        found = explained(asha_results, fit)
    assert elsewhere == []
    assert found.importances[0].effects
    assert explanation_object(found) == explanation_object(explained(asha_results))


def test_a_process_that_dies_is_replaced(
    elsewhere: list[int], asha: Recording, asha_results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the second process fails, this one fits the forests itself."""
    ask: Callable[..., None] = second_process.send_arguments
    monkeypatch.setattr(second_process, "send_arguments", lambda process, _samples: ask(process, "no samples"))
    with fitting(asha.store) as fit:
        found = explained(asha_results, fit)
    assert elsewhere == [1]
    assert explanation_object(found) == explanation_object(explained(asha_results))


def test_a_process_ends_with_its_context(
    elsewhere: list[int], asha: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second process ends with its context, even if nothing was asked for."""
    process = second_process.start_process("pipeline.results.analysis.forest_process")
    monkeypatch.setattr(second_process, "start_process", lambda *_, **__: process)
    with fitting(asha.store):
        assert process.poll() is None
    assert process.returncode is not None
    assert elsewhere == []


def test_a_small_study_needs_no_process(asha: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    """The forests of a small study are fitted without a second process."""
    monkeypatch.setattr(second_process, "start_process", lambda *_, **__: pytest.fail("a process was started"))
    with fitting(asha.store) as fit:
        assert fit is forest_process.fit_here
