"""What mattered, as sections of a report."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.results import Results
from pipeline.results.analysis.importance import importances as analysed
from pipeline.results.report import importance_pictures
from pipeline.results.report.importance_pictures import importances
from pipeline.results.views.explanation import importance_table
from tests.unit.results.small_studies import of_function


def test_each_hyperparameter_has_its_picture(known: Results) -> None:
    """Each hyperparameter has a picture after the bars, and a best value only if it has an effect."""
    bars, along = importances(known)
    assert bars.title == "What mattered"
    assert [picture.alt for picture in bars.pictures] == ["Bar chart of the shares of 4 hyperparameters."]
    assert bars.pictures[0].caption == importance_table(analysed(known)[0]).note
    assert along.small
    for effect, picture in zip(analysed(known)[0].effects, along.pictures, strict=True):
        assert picture.alt == f"Chart of the mean val_loss along {effect.parameter.name}."
        found = f"Best at {effect.best}; " if effect.best else "No best value can be given; "
        assert picture.caption.startswith(found)
    assert {effect.parameter.name: bool(effect.best) for effect in analysed(known)[0].effects} == {
        "a": True,
        "c": True,
        "b": False,
        "idle": False,
    }


def test_an_unknown_importance_has_its_reason_and_no_picture(tmp_path: Path) -> None:
    """If the importance is unknown, the report has the reason that `explain` gives and no picture."""
    rng = np.random.default_rng(9)
    results = of_function(tmp_path, lambda _: float(rng.normal()), trials=60)
    (section,) = importances(results)
    assert (section.title, section.pictures) == ("What mattered", [])
    assert section.note == analysed(results)[0].note


def test_of_many_effects_those_with_the_largest_shares_have_a_picture(wide: Results) -> None:
    """Of 60 hyperparameters 20 are analysed and 16 have a picture, and the sentences say so."""
    bars, along = importances(wide)
    assert len(along.pictures) == 16
    assert along.note.endswith("The 16 with the largest shares are shown.")
    assert "The 20 most influential" in bars.pictures[0].caption


def test_of_many_branches_those_with_the_most_trials_have_sections(
    known: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of ten branches, the eight with the most trials have sections, in their order, and the others are counted."""
    overall = analysed(known)[0]
    branches = [
        replace(overall, when=(("kind", f"b{number}"),), trials=100 + number, effects=(), pairs=(), note="few")
        for number in range(10)
    ]
    monkeypatch.setattr(importance_pictures, "analysed", lambda _: [overall, *branches])
    *first, rest = importances(known)
    assert [section.title for section in first[2:]] == [
        f"What mattered where kind is b{number}" for number in range(2, 10)
    ]
    assert rest.note.startswith("2 other branches with at most 101 trials each")
