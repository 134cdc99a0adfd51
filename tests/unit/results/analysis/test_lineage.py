"""The ancestry of the best model."""

from pipeline.results import Results
from pipeline.results.analysis.lineage import ancestry


def test_the_ancestry_of_the_best_leads_through_its_donor(population: Results) -> None:
    """The ancestry of the best model has the donor's epochs first and then the receiver's own."""
    assert population.best.trial_id == "0000"
    assert [(s.trial_id, s.after, s.until, s.age) for s in ancestry(population)] == [
        ("0001", 0, 2, 0),
        ("0000", 2, 4, 2),
    ]
