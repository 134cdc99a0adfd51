"""Rungs as a picture."""

from pipeline.results import Results, plots
from pipeline.results.analysis.rungs import rungs_of
from tests.unit.results.plots.drawing import drawn


def test_rungs_count_compared_and_stopped_trials(asha_results: Results) -> None:
    """A rung's count includes trials that continue, although they have no recorded decision."""
    rungs = rungs_of(asha_results).set_index("rung")
    stops = asha_results.decisions[asha_results.decisions["kind"] == "stop"]
    assert rungs["stopped"].to_dict() == stops["rung"].astype(int).value_counts().to_dict()
    assert rungs.loc[1, "reached"] == (asha_results.trials["epochs"] >= 1).sum()
    texts = [text.get_text() for text in drawn(plots.rungs, asha_results).texts]
    assert {str(stopped) for stopped in rungs["stopped"]} <= set(texts)
