"""The study's last assignment."""

import json

from pipeline.course.messages import Assignment, Report
from pipeline.course.trial import Trial
from pipeline.execution.winners_turn import WinnersTurn, told_of_winner
from pipeline.study import Objective

BEST = Trial("0003", {"x": 1.0}, 7, best=0.9, best_epoch=4, best_config={"x": 0.5})


def test_the_winner_is_tested_once_with_the_config_of_its_best_epoch():
    """A second worker that asks gets nothing, and a report on the way ends nothing."""
    turn = WinnersTurn(wanted=True, attempts=4)
    given = turn.take(BEST)
    assert (given.task, given.trial_id, given.epoch, given.config) == ("finish", "0003", 4, {"x": 0.5})
    assert given.value == 0.9
    assert turn.take(BEST) is None
    assert not turn.hear(Report())
    assert not turn.done
    assert turn.hear(Report(last=True, winner={"accuracy": 0.8}))
    assert turn.done
    assert turn.metrics == {"accuracy": 0.8}


def test_a_lost_worker_is_replaced_three_times():
    """Then the study ends without a test, and says why."""
    turn = WinnersTurn(wanted=True, attempts=4)
    given = turn.take(BEST)
    assert [turn.lost("killed.") for _ in range(4)] == [given, given, given, None]
    assert turn.done
    assert "killed." in turn.warning


def test_a_function_objective_has_no_winner_to_export():
    """Nothing is given."""
    turn = WinnersTurn(wanted=False, attempts=4)
    assert turn.done
    assert turn.take(BEST) is None


def test_the_winner_is_told_with_what_it_was_chosen_by():
    """Also where there is no test split; a test metric that is not finite is null."""
    given = WinnersTurn(wanted=True, attempts=4).take(BEST)
    given = Assignment.from_json(given.to_json())
    told = json.loads(told_of_winner(given, Objective("val_loss", "min"), {}))
    assert told == {
        "trial_id": "0003", "epoch": 4, "config": {"x": 0.5},
        "objective": {"metric": "val_loss", "mode": "min", "value": 0.9}, "metrics": {},
    }  # fmt: skip
    scored = told_of_winner(given, Objective("val_loss", "min"), {"test_loss": float("inf")})
    assert json.loads(scored)["metrics"] == {"test_loss": None}
