"""Functions of Ray Tune as they are."""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ray import tune

from pipeline import load_results, run
from pipeline.adapters import from_file
from pipeline.adapters.ray_tune.trainable import TrainableAdapter
from pipeline.training.base import TrainingEnded
from pipeline.training.function import FunctionLearner


@pytest.mark.parametrize("name", ["rt_basic.py", "rt_params.py", "rt_simple.py", "rt_class.py", "rt_pbt.py"])
def test_a_program_is_tuned(name: str, program: Callable[[str], str], tmp_path: Path) -> None:
    """Each report of a Ray Tune program is an epoch, and a trial under PBT continues with its checkpoint's state."""
    job = from_file(program(name), "ray-tune", {"name": "s"}).replaced({"resources.workers": 0})
    run(job, storage=tmp_path / "st", note=lambda _: None)
    results = load_results(tmp_path / "st/s")
    assert set(results.trials["state"]) <= {"completed", "stopped"}
    assert results.trials["epochs"].max() == job.budget.epochs
    if name == "rt_pbt.py":
        steps = results.epochs.set_index(["trial_id", "epoch"])["step"]
        assert (steps == steps.index.get_level_values("epoch")).all()


def counting(config: Mapping[str, Any]) -> None:
    """Counts, with its checkpoint in a temporary folder that is gone after the report."""
    count = 0
    if (checkpoint := tune.get_checkpoint()) is not None:
        with checkpoint.as_directory() as folder:
            count = json.loads((Path(folder) / "count.json").read_text())
    while True:
        count += config["by"]
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "count.json").write_text(json.dumps(count))
            tune.report(
                {"count": count, "word": "text", "id": tune.get_context().get_trial_id()},
                checkpoint=tune.Checkpoint.from_directory(folder),
            )


def steps(config: Mapping[str, Any], state: Any) -> Iterator[Any]:
    """The function's steps."""
    return TrainableAdapter(None, "", counting, {"by": tune.choice([1, 2])}).steps(config, state)


def test_a_checkpoint_is_the_functions_state() -> None:
    """Another learner continues a Ray Tune function from its checkpoint, and only numbers are metrics."""
    learner = FunctionLearner(steps, {"by": 2})
    assert [dict(learner.run_epoch().metrics) for _ in range(2)] == [{"count": 2.0}, {"count": 4.0}]
    state = learner.save()
    learner.close()
    again = FunctionLearner(steps, {"by": 2})
    again.load(state)
    assert again.run_epoch().metrics == {"count": 6.0}
    again.close()


def test_names_of_ray_train_are_those_of_ray_tune() -> None:
    """A function that reports and continues by ray.train, as for earlier versions of Ray, works as with ray.tune."""
    from ray import train

    def earlier(config: Mapping[str, Any]) -> None:
        assert train.get_checkpoint() is None
        assert train.get_context().get_world_size() is None
        with tempfile.TemporaryDirectory() as folder:
            train.report({"by": config["by"]}, checkpoint=tune.Checkpoint.from_directory(folder))

    before = train.report
    learner = FunctionLearner(TrainableAdapter(None, "", earlier, {"by": tune.choice([1, 2])}).steps, {"by": 2})
    assert learner.run_epoch().metrics == {"by": 2.0}
    learner.close()
    assert train.report is before


class Plain(tune.Trainable):
    """The least that a Trainable class has."""

    def setup(self, config: dict[str, Any]) -> None:
        """Begin at zero."""
        self.count = 0

    def step(self) -> dict[str, Any]:
        """Count."""
        self.count += self.config["by"]
        return {"count": self.count, "done": self.count > 3}


def test_a_class_that_saves_no_checkpoint_is_replayed() -> None:
    """Steps of a Trainable class without save_checkpoint have no state, and another learner repeats them."""

    def plain_steps(config: Mapping[str, Any], state: Any) -> Iterator[Any]:
        return TrainableAdapter(None, "", Plain, {"by": tune.choice([1, 2])}).steps(config, state)

    learner = FunctionLearner(plain_steps, {"by": 2})
    assert learner.run_epoch().metrics == {"count": 2.0, "done": 0.0}
    again = FunctionLearner(plain_steps, {"by": 2})
    again.load(learner.save())
    assert again.run_epoch().metrics == {"count": 4.0, "done": 1.0}
    with pytest.raises(TrainingEnded):
        again.run_epoch()
    for one in (learner, again):
        one.close()


class Iterating(tune.Trainable):
    """Reports how many steps came before."""

    def step(self) -> Any:
        """The count of Ray Tune's own."""
        return {"before": self.training_iteration}

    def save_checkpoint(self, checkpoint_dir: str) -> Any:
        """Nothing needs to be kept."""
        return {}

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing is kept."""


def test_a_class_that_continues_counts_on() -> None:
    """A class that continues from a checkpoint knows how many steps its trial has taken."""

    def iterating(config: Mapping[str, Any], state: Any) -> Iterator[Any]:
        return TrainableAdapter(None, "", Iterating, {"by": tune.choice([1])}).steps(config, state)

    learner = FunctionLearner(iterating, {"by": 1})
    assert [learner.run_epoch().metrics["before"] for _ in range(2)] == [0.0, 1.0]
    again = FunctionLearner(iterating, {"by": 1})
    again.load(learner.save())
    assert [again.run_epoch().metrics["before"] for _ in range(2)] == [2.0, 3.0]


def reported(function: Any, config: Mapping[str, Any]) -> list[dict[str, float]]:
    """The metrics of all reports of a function."""
    learner = FunctionLearner(
        lambda config, state: TrainableAdapter(None, "", function, config).steps(config, state), config
    )
    found = []
    try:
        while True:
            found.append(dict(learner.run_epoch().metrics))
    except TrainingEnded:
        return found
    finally:
        learner.close()


def test_a_function_that_yields_reports() -> None:
    """Each dict or number that a function yields is an epoch."""

    def yielding(config: Mapping[str, Any]) -> Iterator[Any]:
        for number in range(1, 3):
            yield {"count": number * config["by"]}

    assert reported(yielding, {"by": 2}) == [{"count": 2.0}, {"count": 4.0}]

    def numbers(config: Mapping[str, Any]) -> Iterator[Any]:
        yield config["by"]

    assert reported(numbers, {"by": 2}) == [{"_metric": 2.0}]


def test_a_function_runs_to_its_end_after_its_last_report() -> None:
    """Code after a loop of known length runs after the last report, even if a checkpoint begins within the loop."""
    ended: list[int] = []

    def train(config: Mapping[str, Any]) -> None:
        start = 0
        if (checkpoint := tune.get_checkpoint()) is not None:
            with checkpoint.as_directory() as folder:
                start = json.loads((Path(folder) / "at.json").read_text())
        for step in range(start, config["epochs"]):
            with tempfile.TemporaryDirectory() as folder:
                (Path(folder) / "at.json").write_text(json.dumps(step + 1))
                tune.report({"x": config["by"]}, checkpoint=tune.Checkpoint.from_directory(folder))
        ended.append(start)

    def steps(config: Mapping[str, Any], state: Any) -> Iterator[Any]:
        return TrainableAdapter(None, "", train, {"by": tune.choice([1, 2]), "epochs": 4}).steps(config, state)

    learner = FunctionLearner(steps, {"by": 2})
    state = None
    for epoch in range(4):
        assert ended == []
        learner.run_epoch()
        state = learner.save() if epoch == 1 else state
    learner.finish()
    assert ended == [0]
    again = FunctionLearner(steps, {"by": 2})
    assert state is not None
    again.load(state)
    for _ in range(2):
        assert ended == [0]
        again.run_epoch()
    again.finish()
    assert ended == [0, 2]


def test_reports_may_have_dicts_and_end_the_trial() -> None:
    """A metric in a dict has a slash in its name, and a report that is `done` is the trial's last."""

    def nested(config: Mapping[str, Any]) -> None:
        for number in range(5):
            tune.report({"eval": {"count": number}, "done": number == config["last"]})

    assert [each["eval/count"] for each in reported(nested, {"last": 2})] == [0.0, 1.0, 2.0]


def test_keys_that_are_not_text_reach_the_function() -> None:
    """A function gets the keys of its param_space as they are, such as the class numbers of class weights."""

    def weighted(config: Mapping[str, Any]) -> None:
        tune.report({"sum": config["class_weight"][0] + config["class_weight"][1] + config["class_weight"][2]})

    space = {"class_weight": {0: 1.0, 1: tune.uniform(1, 5), 2: tune.sample_from(lambda spec: spec.config.missing)}}
    adapter = TrainableAdapter(None, "", weighted, space)
    assert "tune.sample_from is called in each trial for class_weight.2" in adapter.left_out[-1]
    space["class_weight"][2] = 4.0
    learner = FunctionLearner(TrainableAdapter(None, "", weighted, space).steps, {"class_weight_1": 2.0})
    assert learner.run_epoch().metrics == {"sum": 7.0}
    learner.close()
