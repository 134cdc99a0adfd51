"""The ancestry of the best model."""

from dataclasses import replace

from pipeline.results import Results
from pipeline.results.analysis.lineage import ancestry


def test_the_ancestry_of_the_best_leads_through_its_donor(population: Results) -> None:
    """The ancestry of the best model has the donor's epochs first and then the receiver's own."""
    assert population.best.trial_id == "0000"
    assert [(s.trial_id, s.after, s.until, s.age) for s in ancestry(population)] == [
        ("0001", 0, 2, 0),
        ("0000", 2, 4, 2),
    ]


def test_a_best_epoch_before_an_exploit_is_the_trial_s_own(population: Results) -> None:
    """If the best epoch is the last one before the trial took over weights, the model has no other ancestor."""
    assert population.best is not None
    before = replace(population, best=replace(population.best, epoch=2))
    assert [(s.trial_id, s.after, s.until, s.age) for s in ancestry(before)] == [("0000", 0, 2, 0)]
