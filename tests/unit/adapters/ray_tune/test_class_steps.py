"""The steps of a Trainable class."""

from pathlib import Path
from typing import Any

from ray import tune

from pipeline.adapters.ray_tune.class_steps import class_steps
from pipeline.adapters.ray_tune.stopping import Rules
from pipeline.study.context import TrialContext, in_trial


class Counting(tune.Trainable):
    """Counts, and reports where it is."""

    def setup(self, config: Any) -> None:
        """Begin at 0."""
        self.count = 0

    def step(self) -> Any:
        """Count by one."""
        self.count += self.config["by"]
        return {"count": self.count, "id": int(self.trial_id), "done": self.count >= 6}

    def save_checkpoint(self, checkpoint_dir: str) -> Any:
        """The count."""
        return {"count": self.count}

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Take the count over."""
        self.count = checkpoint["count"]


class Own(Counting):
    """Has its own constructor."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)

    def step(self) -> Any:
        """One step, with text that is not a metric."""
        return {"by": self.config["by"], "word": "x", "done": True}


def test_steps_have_the_trial_and_its_state(tmp_path: Path) -> None:
    """A class knows its trial and works in its folder, continues from a state, and ends where it says so."""
    with in_trial(TrialContext("0007", 1, 9, tmp_path)):
        steps = class_steps(Counting, {"by": 2}, {"count": 1}, Rules(None, "0007"))
        assert list(steps) == [
            ({"count": 3.0, "id": 7.0, "done": 0.0}, {"count": 3}),
            ({"count": 5.0, "id": 7.0, "done": 0.0}, {"count": 5}),
            ({"count": 7.0, "id": 7.0, "done": 1.0}, {"count": 7}),
        ]
        assert list(class_steps(Own, {"by": 2}, None, Rules(None, "0007"))) == [
            ({"by": 2.0, "done": 1.0}, {"count": 0})
        ]
    assert list(tmp_path.iterdir()) == []


def test_a_rule_ends_the_steps(tmp_path: Path) -> None:
    """A rule of the program ends the steps of a class."""
    with in_trial(TrialContext("0001", 1, 9, tmp_path)):
        steps = class_steps(Counting, {"by": 1}, None, Rules({"count": 2}, "0001"))
        assert [metrics["count"] for metrics, _ in steps] == [1.0, 2.0]


class Iterating(Counting):
    """Reports how many steps came before."""

    def step(self) -> Any:
        """The count of Tune's own."""
        return {"before": self.training_iteration}

    def save_checkpoint(self, checkpoint_dir: str) -> Any:
        """As above."""
        return {"count": self.training_iteration}


def test_a_class_counts_its_steps_from_where_its_trial_continued() -> None:
    """`training_iteration` counts the steps before a step, and the step itself in its checkpoint."""
    steps = class_steps(Iterating, {}, {"count": 3}, Rules(None, "0001", count=3))
    assert [next(steps) for _ in range(2)] == [({"before": 3.0}, {"count": 4}), ({"before": 4.0}, {"count": 5})]
