"""The state of a study as text, of which only what has changed is converted again."""

import json

from pipeline.loop.messages import ProgressReport
from pipeline.results.tables.sessions import read_sessions
from pipeline.study import Budget
from tests.unit.execution.recorded_curves import row


def test_the_state_that_is_stored_is_the_whole_state(study):
    """The stored state equals the whole state after reports, decisions, lost workers and deleted checkpoints."""
    s = study(scheduler="promoting-asha", budget=Budget(trials=6, epochs=8))
    s.session.begin()
    running: list[str] = []
    for step in range(100):
        while len(running) < 2 and (assignment := s.session.next()) is not None:
            running.append(assignment.trial_id)
        if not running:
            break
        trial = s.session.loop.trials[running.pop(0)]
        if step % 7 == 3:
            s.session.on_worker_lost(trial.trial_id, "killed.")
        epoch = trial.epoch + 1
        report = ProgressReport((row(epoch, float(step % 5)),), epoch, last=epoch == 8, checkpoints=(epoch,))
        if s.session.on_report(trial.trial_id, report) == "continue":
            running.append(trial.trial_id)
        s.session.flush()
        # The second one contains what the first one has deleted.
        s.session.flush()
        stored = read_sessions(s.store)[-1]["resume"]
        assert stored == {**json.loads(json.dumps(s.session.loop.state())), "decided": s.session.tables.decision_count}
    assert step > 10
