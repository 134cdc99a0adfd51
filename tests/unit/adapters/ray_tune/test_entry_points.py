"""The calls of Ray Tune that start the tuning."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import load_results, run
from pipeline.adapters import from_file
from pipeline.adapters.ray_tune.entry_points import patches
from pipeline.errors import InvalidJob

_FUNCTION = """
import ray.tune.registry
import ray.tune.tune
import ray.tune.tuner
from ray import tune


def train(config):
    for step in range(3):
        tune.report({"loss": config["x"] / (step + 1)})


space = {"x": tune.uniform(0, 1)}
given = {"metric": "loss", "mode": "min", "num_samples": 2}
"""


@pytest.mark.parametrize(
    "call",
    [
        "tune.run(train, config=space, **given)",
        "tune.run(run_or_experiment=train, config=space, **given)",
        "ray.tune.tune.run(train, config=space, **given)",
        "ray.tune.tuner.Tuner(train, param_space=space, tune_config=tune.TuneConfig(**given)).fit()",
        "tune.register_trainable('mine', train)\ntune.run('mine', config=space, **given)",
        "ray.tune.registry.register_trainable('mine', train)\n"
        "tune.Tuner('mine', param_space=space, tune_config=tune.TuneConfig(**given)).fit()",
    ],
)
def test_each_call_is_found(call: str, program: Callable[[str], str]) -> None:
    """A program may call `run` or `Tuner` by any of their names, with a function or the name of one."""
    path = Path(program("rt_simple.py")).with_name("rt_calls.py")
    path.write_text(f"{_FUNCTION}\n{call}\nraise SystemExit('the search has not ended the program')\n")
    job = from_file(str(path), "ray-tune", {})
    assert (job.budget.trials, job.budget.epochs, job.objective.metric) == (2, 3, "loss")


@pytest.mark.parametrize(
    "call", ["tune.run(tune.Experiment('mine', train, config=space))", "tune.run_experiments({'mine': {}})"]
)
def test_an_experiment_is_refused(call: str, program: Callable[[str], str]) -> None:
    """An Experiment of Ray Tune is refused with its line and the calls that are translated."""
    path = Path(program("rt_simple.py")).with_name("rt_calls.py")
    path.write_text(f"{_FUNCTION}\n{call}\n")
    with pytest.raises(InvalidJob, match=r"rt_calls.py, line 16: must be tune.Tuner\(…\).fit\(\) or tune.run"):
        from_file(str(path), "ray-tune", {})


def test_objects_that_a_program_puts_reach_its_trials(program: Callable[[str], str], tmp_path: Path) -> None:
    """Objects that a program puts into Ray reach its function by `ray.get`, though the program starts no Ray."""
    path = Path(program("rt_simple.py")).with_name("rt_put.py")
    path.write_text(
        "import ray\nfrom ray import tune\n\n\n"
        "def train(config):\n"
        "    first, second = ray.get([config['data'], ray.get(config['other'])])\n"
        "    return {'loss': config['x'] * first + second}\n\n\n"
        "if not ray.is_initialized():\n    ray.init()\n"
        "assert ray.cluster_resources()['CPU'] >= 1\n"
        "data, two = ray.put(0), ray.put(2)\n"
        "space = {'x': tune.uniform(0, 1), 'data': data, 'other': ray.put(two)}\n"
        "tune.run(train, config=space, num_samples=2, metric='loss', mode='min')\n"
    )
    job = from_file(str(path), "ray-tune", {"name": "s", "resources": {"workers": 0}})
    run(job, storage=tmp_path, note=lambda _: None)
    assert load_results(tmp_path / "s").epochs["loss"].tolist() == [2.0, 2.0]


def test_a_program_sees_the_cpus_that_it_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that asks Ray for its CPUs gets those that this process may use, not all of the machine."""
    import ray

    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    with patches():
        assert ray.cluster_resources() == ray.available_resources() == {"CPU": 1.0}


def test_callbacks_of_a_run_are_noted(program: Callable[[str], str]) -> None:
    """The callbacks of a run are left out with a note."""
    path = Path(program("rt_simple.py")).with_name("rt_calls.py")
    notes: list[str] = []
    path.write_text(f"{_FUNCTION}\ntune.run(train, config=space, callbacks=[object()], **given)\n")
    from_file(str(path), "ray-tune", {}, notes.append)
    assert notes == ["rt_calls.py, line 16: The callbacks of the run are ignored."]


def test_a_program_that_may_restore_its_tuner_makes_a_new_one(program: Callable[[str], str]) -> None:
    """A Ray Tune program that restores an experiment, if there is one, makes a new Tuner."""
    path = Path(program("rt_simple.py"))
    text = path.read_text().replace("tuner = tune.Tuner(", "tuner = new(")
    path.write_text(
        text.replace(
            "from ray import tune\n",
            "from ray import tune\n\n\ndef new(*args, **kwargs):\n"
            "    if tune.Tuner.can_restore('/tmp/nowhere'):\n"
            "        return tune.Tuner.restore('/tmp/nowhere', *args)\n"
            "    return tune.Tuner(*args, **kwargs)\n",
        )
    )
    assert from_file(str(path), "ray-tune", {}).budget.trials == 4
    path.write_text(path.read_text().replace("if tune.Tuner.can_restore", "if not tune.Tuner.can_restore"))
    with pytest.raises(InvalidJob, match=r"must be tune.Tuner\(…\).* found 'tune.Tuner.restore'"):
        from_file(str(path), "ray-tune", {})
