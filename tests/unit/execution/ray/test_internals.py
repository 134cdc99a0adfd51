"""Canaries: each name of Ray's that tunepipe touches is there, or the study goes without what it was for."""

import inspect
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from pipeline.execution.ray import internals

NAMES = [
    ("ray._private.node", "Node.start_api_server", "start no dashboard", "a process more runs, and ray.init is slower"),
    ("ray._private.node", "Node.start_monitor", "start no autoscaler", "a process more runs, and ray.init is slower"),
    ("ray._private.node", "Node.start_log_monitor", "start no reader of logs", "a process more runs"),
    ("ray._private.utils", "get_dashboard_dependency_error", "open no port of the agent's", "the agent opens ports"),
    ("ray._private.utils", "set_sigterm_handler", "keep SIGTERM to the study", "SIGTERM may end the driver at once"),
    ("ray._private.ray_constants", "DASHBOARD_ADDRESS", "answer the agent", "the agent fills its log"),
    ("ray._private.ray_constants", "KV_NAMESPACE_DASHBOARD", "answer the agent", "the agent fills its log"),
    ("ray._private.services", "canonicalize_bootstrap_address", "find a local cluster", "Ray looks for it itself"),
    ("ray.tune.execution.class_cache", "DEFAULT_ENV_VARS", "reuse warm processes", "each actor imports TensorFlow"),
    ("ray.tune.execution.tune_controller", "TuneController._maybe_cache_trial_actor", "end large workers", "they stay"),
    ("ray.tune.execution.tune_controller", "TuneController.save_to_dir", "save it once", "a study's end takes longer"),
    ("ray.tune.trainable.metadata", "_TrainingRunMetadata.update_metric", "keep no values", "trials take more memory"),
    ("ray.tune", "ExperimentAnalysis._fetch_trial_dataframes", "read no results", "a study's end takes longer"),
    ("ray.tune.experiment", "Trial.set_config", "give a paused trial its next epochs", "the attribute is set"),
    ("ray._private.worker", "_post_init_hooks", "free a study's data", "they stay until the process ends"),
    ("ray.tune.registry", "_global_registry.unregister", "remove its trainable", "it stays in the user's cluster"),
    ("ray._raylet", "raise_sys_exit_with_custom_error_message", "know preemptions", "exits with code 0 count as one"),
]


def loaded(module: str, missing: str) -> Any:
    """A module of Ray's; the test fails with the sentence if Ray no longer has it."""
    try:
        return import_module(module)
    except ImportError as error:
        pytest.fail(f"{missing} ({error})")


def missing(what: str, purpose: str, without: str) -> str:
    """The sentence of a canary."""
    use = f"pipeline/execution/ray/internals.py uses it to {purpose}"
    return f"Ray {ray.__version__} no longer has {what}; {use}; without it, {without}."


@pytest.mark.parametrize(("module", "name", "purpose", "without"), NAMES, ids=[name for _, name, *_ in NAMES])
def test_a_name_is_there(module: str, name: str, purpose: str, without: str) -> None:
    """Ray has each name that tunepipe touches."""
    sentence = missing(f"{module}.{name}", purpose, without)
    owner = loaded(module, sentence)
    for part in name.split("."):
        assert hasattr(owner, part), sentence
        owner = getattr(owner, part)


def test_a_missing_module_is_reported_in_words() -> None:
    """A canary whose module is gone says what tunepipe used it for."""
    with pytest.raises(pytest.fail.Exception, match=r"no longer has ray\.gone\.x; .* to read x; without it, y is used"):
        loaded("ray.gone", missing("ray.gone.x", "read x", "y is used"))


@pytest.mark.parametrize(
    ("module", "text", "purpose", "without"),
    [
        ("ray._private.node", internals.SLOW_START, "try a slow start again", "a slow start is an error of its own"),
        ("ray.exceptions", internals.FATAL_ACTOR_ERROR, "say why a worker is gone", "the reason is the last line"),
        ("ray._private.node", "_webui_url", "say that no dashboard runs", "Ray waits for one"),
        ("ray._private.worker", "_system_config", "import TensorFlow in idle workers", "ray.init refuses it"),
        (
            "ray.tune.execution.tune_controller",
            "self._tune_controller =",
            "reach Tune's own controller",
            "workers stay",
        ),
        ("ray.tune.experiment.trial", "run_metadata.num_failures", "count failures", "the session's count is used"),
        ("ray.tune.experiment.trial", "ray_actor", "end a hung worker", "a hung worker is not ended"),
    ],
)
def test_a_text_is_there(module: str, text: str, purpose: str, without: str) -> None:
    """Ray's sources have each message and attribute that tunepipe reads."""
    sentence = missing(f"{text!r} in {module}", purpose, without)
    source = Path(inspect.getsourcefile(loaded(module, sentence)) or "").read_text()
    assert text in source, sentence


def test_workers_can_preload_modules() -> None:
    """Ray's core accepts the settings by which idle workers preload TensorFlow and stay alive."""
    core = (Path(ray.__file__).parent / "_raylet.so").read_bytes()
    for name in internals.system_settings("x", 1)["_system_config"]:
        assert name.encode() in core, (
            f"Ray no longer has the setting {name}; pipeline/execution/ray/internals.py uses it to keep warm workers; "
            "without it, ray.init ends with an error."
        )


def test_an_exit_by_ray_is_a_termination() -> None:
    """The exit by which Ray answers SIGTERM is known; an exit of the user's code is not one."""
    from ray._raylet import raise_sys_exit_with_custom_error_message

    with pytest.raises(SystemExit) as caught:
        raise_sys_exit_with_custom_error_message("the node is drained")
    assert internals.is_termination(caught.value), (
        "Ray no longer marks its exits with ray_terminate_msg; pipeline/execution/ray/internals.py uses it to know "
        "preemptions; without it, an exit with the code 0 counts as one."
    )
    assert not internals.is_termination(SystemExit(0))
    assert not internals.is_termination(ValueError("no"))


def test_without_the_mark_an_exit_with_code_0_is_a_termination(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Ray that marks no exits does not turn a preemption into a failure of the trial."""
    monkeypatch.delattr("ray._raylet.raise_sys_exit_with_custom_error_message")
    assert internals.is_termination(SystemExit(0))
    assert not internals.is_termination(SystemExit(1))


def test_tunes_environment_of_actors_comes_back() -> None:
    """Tune's environment of actors is empty within the context only."""
    from ray.tune.execution import class_cache

    before = dict(class_cache.DEFAULT_ENV_VARS)
    assert before
    with internals.plain_actors():
        assert not class_cache.DEFAULT_ENV_VARS
    assert before == class_cache.DEFAULT_ENV_VARS


def test_an_actor_that_is_refused_is_not_kept() -> None:
    """The controller keeps the actors of all trials but those that are refused, also behind its restricted form."""
    controller = SimpleNamespace(_maybe_cache_trial_actor=lambda _: True)
    internals.refuse_cached_actors(SimpleNamespace(_tune_controller=controller), lambda trial: trial == "large")
    assert controller._maybe_cache_trial_actor("small")  # noqa: SLF001
    assert not controller._maybe_cache_trial_actor("large")  # noqa: SLF001
    internals.refuse_cached_actors(SimpleNamespace(), lambda _: True)


def test_an_experiment_is_saved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each controller saves its experiment once within the context, and as often as it wants after it."""
    from ray.tune.execution.tune_controller import TuneController

    saved: list[str] = []
    monkeypatch.setattr(TuneController, "save_to_dir", lambda self: saved.append(self.name))

    class Named(TuneController):
        """A controller without an experiment."""

        def __init__(self, name: str) -> None:
            self.name = name

    first, second = Named("first"), Named("second")
    with internals.experiment_saved_once():
        for controller in (first, first, second, first):
            controller.save_to_dir()
    assert saved == ["first", "second"]
    first.save_to_dir()
    assert saved == ["first", "second", "first"]


def test_tune_keeps_no_history_of_metrics() -> None:
    """Within the context, Tune keeps no values of a trial's metrics, and reads no results; after it, both as before."""
    from ray.tune import ExperimentAnalysis
    from ray.tune.trainable.metadata import _TrainingRunMetadata

    inside, after = _TrainingRunMetadata(), _TrainingRunMetadata()
    analysis = dict(vars(ExperimentAnalysis))
    with internals.results_not_kept():
        inside.update_metric("value", 1.0)
        replaced = [name for name, value in vars(ExperimentAnalysis).items() if value is not analysis[name]]
    assert (inside.metric_analysis, inside.metric_n_steps) == ({}, {})
    after.update_metric("value", 1.0)
    assert after.metric_analysis["value"]["last"] == 1.0
    assert len(replaced) == 1
    assert dict(vars(ExperimentAnalysis)) == analysis


def test_the_arguments_of_a_scheduler_are_read() -> None:
    """Ray keeps them under names of its own; pipeline/execution/ray/internals.py reads them."""
    from ray.tune.schedulers import ASHAScheduler, MedianStoppingRule

    asha = ASHAScheduler(metric="loss", mode="min", max_t=27, grace_period=3, reduction_factor=3)
    known = ("kind", "metric", "mode", "longest", "grace", "factor")
    assert [internals.scheduler_facts(asha)[name] for name in known] == [
        "AsyncHyperBandScheduler",
        "loss",
        "min",
        27,
        3,
        3,
    ], "Ray no longer keeps a scheduler's arguments under these names, which scheduler_facts reads."
    assert internals.scheduler_facts(MedianStoppingRule(grace_period=4))["grace"] == 4
    assert internals.scheduler_facts(None) == {}


def test_reports_reach_an_object_of_tunepipe() -> None:
    """The functions ray.tune.report and get_checkpoint use Ray's session, which tunepipe replaces."""
    from ray import tune
    from ray.train._internal import session as sessions

    assert "_session" in vars(sessions), "Ray no longer has train._internal.session._session, which reporting_to sets."
    reported: list[Any] = []
    session = SimpleNamespace(
        world_rank=None, loaded_checkpoint="kept", trial_id="0003", report=lambda metrics, **_: reported.append(metrics)
    )
    with internals.reporting_to(session):
        tune.report({"loss": 1.0})
        assert (tune.get_checkpoint(), tune.get_context().get_trial_id()) == ("kept", "0003")
    assert reported == [{"loss": 1.0}]
    assert vars(sessions)["_session"] is None
