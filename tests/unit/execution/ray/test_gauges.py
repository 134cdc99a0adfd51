"""A study's state as metrics."""

from typing import Any

import pytest

from pipeline.engine.messages import ProgressReport
from pipeline.execution.ray import gauges
from pipeline.execution.ray.gauges import GAUGES, StudyGauges
from pipeline.results.views.states import STATES
from pipeline.study import Budget
from tests.unit.execution.recorded_curves import row

Published = dict[tuple[str, ...], float]


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Published:
    """What Ray gets, by the gauge's name and its labels."""
    found: Published = {}

    class Gauge:
        def __init__(self, name: str, description: str, tag_keys: tuple[str, ...]) -> None:
            assert description
            self.name, self.tag_keys = name, tag_keys

        def set_default_tags(self, tags: dict[str, str]) -> None:
            self.default = tags

        def set(self, value: float, tags: dict[str, str] | None = None) -> None:
            labels = {**self.default, **(tags or {})}
            assert tuple(sorted(labels)) == tuple(sorted(self.tag_keys))
            found[self.name, *(labels[key] for key in self.tag_keys)] = value

    monkeypatch.setattr(gauges, "Gauge", Gauge)
    return found


def test_the_state_of_a_study_is_published(study: Any, published: Published) -> None:
    """A study publishes its trials by state, limits, epochs, best value and lost workers under its name."""
    s = study(budget=Budget(trials=4, epochs=4))
    first, second = s.session.next(), s.session.next()
    s.session.on_report(first.trial_id, ProgressReport((row(1, 0.5), row(2, 0.7)), 2))
    s.session.worker_failures.on_worker_lost(second.trial_id, "killed.")
    StudyGauges(s.session).publish()
    trials = {state: published["tunepipe_trials", "s", state] for state in STATES}
    assert trials == {**dict.fromkeys(STATES, 0), "running": 2}
    assert published["tunepipe_trials_limit", "s"] == 4
    assert published["tunepipe_epochs", "s"] == 2
    assert published["tunepipe_best", "s", "score"] == 0.7
    assert published["tunepipe_lost_workers", "s"] == 1
    assert published["tunepipe_seconds", "s"] >= 0
    assert {name for name, *_ in published} == set(GAUGES)


def test_a_study_without_a_value_has_no_best(study: Any, published: Published) -> None:
    """A study without a value publishes no gauge for the best value."""
    StudyGauges(study().session).publish()
    assert "tunepipe_best" not in {name for name, *_ in published}


def test_gauges_are_published_every_five_seconds(study: Any, published: Published) -> None:
    """Gauges are published immediately and then every five seconds, however often they are updated."""
    now = [100.0]
    states = StudyGauges(study().session, clock=lambda: now[0])
    for seconds, publishes in ((0.0, True), (4.9, False), (5.0, True), (5.1, False), (10.0, True)):
        published.clear()
        now[0] = 100.0 + seconds
        states.publish_if_due()
        assert bool(published) == publishes
