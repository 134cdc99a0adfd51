"""The study's last assignment."""

from pipeline.engine.messages import ProgressReport
from pipeline.engine.trial import Trial
from pipeline.execution.driver.final_evaluation import FinalEvaluation

BEST = Trial("0003", {"x": 1.0}, 7, best=0.9, best_epoch=4, best_config={"x": 0.5})


def test_the_winner_is_tested_once_with_the_config_of_its_best_epoch():
    """The winner is assigned to one worker with its best epoch's config, and only a last report ends the evaluation."""
    evaluation = FinalEvaluation(wanted=True, attempts=4)
    assignment = evaluation.take(BEST)
    assert (assignment.task, assignment.trial_id, assignment.epoch, assignment.config) == (
        "finish",
        "0003",
        4,
        {"x": 0.5},
    )
    assert assignment.value == 0.9
    assert evaluation.take(BEST) is None
    assert not evaluation.on_report(ProgressReport())
    assert not evaluation.done
    assert evaluation.on_report(ProgressReport(last=True, winner={"accuracy": 0.8}))
    assert evaluation.done
    assert evaluation.metrics == {"accuracy": 0.8}


def test_a_lost_worker_is_replaced_three_times():
    """The final evaluation is assigned again after three lost workers, and the fourth ends it with a warning."""
    evaluation = FinalEvaluation(wanted=True, attempts=4)
    assignment = evaluation.take(BEST)
    assert [evaluation.on_worker_lost("killed.") for _ in range(4)] == [assignment, assignment, assignment, None]
    assert evaluation.done
    assert "killed." in evaluation.warning


def test_a_function_objective_has_no_winner_to_export():
    """A study that minimises a function assigns no final evaluation."""
    evaluation = FinalEvaluation(wanted=False, attempts=4)
    assert evaluation.done
    assert evaluation.take(BEST) is None
