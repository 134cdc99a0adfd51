"""What the workers' time was spent on."""

import json
from pathlib import Path

import pytest

from pipeline.results import Results, load_results
from pipeline.results.analysis.effort import effort
from pipeline.space import Uniform
from pipeline.study import layout
from tests.unit.results.studies import Recording, tune_job


def test_effort_adds_up_the_seconds_of_all_workers(asha_results: Results) -> None:
    """Busy and idle seconds of all workers add up to the study's seconds times the number of workers."""
    spent = effort(asha_results)
    columns = [f"seconds_{phase}" for phase in ("build", "train", "evaluate", "checkpoint")]
    assert spent.busy == pytest.approx(asha_results.epochs[columns].to_numpy().sum())
    assert spent.workers == 2
    assert spent.busy + spent.idle == pytest.approx(2 * asha_results.seconds)


def test_each_session_counts_with_its_own_number_of_workers(tmp_path: Path) -> None:
    """Idle seconds are those of the workers that a session had, not of the most that any session had."""
    study = Recording(tmp_path, tune_job("resumed", space={"lr": Uniform(0.0, 1.0)}))
    for session, workers, seconds in ((1, 1, 300.0), (2, 8, 10.0)):
        study.session = session
        study.train(f"{session:04d}", 1, {"lr": 0.1}, 0.5, 1000.0 * session, seconds_train=8.0)
        study.end(seconds, started=1000.0 * session)
        content = study.store.read_json(layout.session(session))
        study.store.write(layout.session(session), json.dumps({**content, "workers": workers}))
    spent = effort(load_results(study.store.uri))
    assert spent.workers == 8
    assert spent.busy + spent.idle == pytest.approx(1 * 300 + 8 * 10)
