"""Rungs as a picture."""

from importlib import import_module

import numpy as np
import pytest

from pipeline.results import Results, plots
from pipeline.results.analysis.queries import rungs as rungs_of
from tests.unit.results.plots.drawing import drawn


def test_rungs_count_compared_and_stopped_trials(asha_results: Results) -> None:
    """A rung's count includes trials that continue, although they have no recorded decision."""
    rungs = rungs_of(asha_results).to_pandas().set_index("rung")
    stops = asha_results.decisions[asha_results.decisions["kind"] == "stop"]
    assert rungs["stopped"].to_dict() == stops["rung"].astype(int).value_counts().to_dict()
    assert rungs.loc[1, "reached"] == (asha_results.trials["epochs"] >= 1).sum()
    texts = [text.get_text() for text in drawn(plots.rungs, asha_results).texts]
    assert {str(stopped) for stopped in rungs["stopped"]} <= set(texts)


def test_bars_of_very_many_trials_end_where_the_trials_do(
    asha_results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If trials are very many, one line with gaps has the bars of all trials that trained to their end."""
    monkeypatch.setattr(import_module("pipeline.results.plots.rungs"), "MAX_BARS", 3)
    ax = drawn(plots.rungs, asha_results)
    (line,) = [line for line in ax.lines if np.isnan(line.get_xdata()).any()]
    whole = asha_results.trials[~asha_results.trials["state"].isin(["stopped", "failed"])]
    bars = line.get_xdata().reshape(-1, 3)
    assert (bars[:, 0] == 0).all()
    assert sorted(bars[:, 1]) == sorted(whole["epochs"])
