"""Canaries: each name of Ray's that tunepipe touches is there, or the study goes without it and says so."""

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import ray

from pipeline.execution.ray import internals

NAMES = [
    ("ray._private.node", "Node.start_api_server", "start no dashboard", "a process more runs, and ray.init is slower"),
    ("ray._private.node", "Node.start_monitor", "start no autoscaler", "a process more runs, and ray.init is slower"),
    ("ray._private.node", "Node.start_log_monitor", "start no reader of logs", "a process more runs"),
    ("ray._private.utils", "get_dashboard_dependency_error", "open no port of the agent's", "the agent opens ports"),
    ("ray._private.utils", "set_sigterm_handler", "keep SIGTERM to the study", "SIGTERM may kill the driver"),
    ("ray._private.ray_constants", "DASHBOARD_ADDRESS", "answer the agent", "the agent fills its log"),
    ("ray._private.ray_constants", "KV_NAMESPACE_DASHBOARD", "answer the agent", "the agent fills its log"),
    ("ray._private.services", "ConsolePopen", "keep SIGTERM from Ray", "SIGTERM to all processes ends it immediately"),
    ("ray._private.services", "canonicalize_bootstrap_address", "find a local cluster", "Ray looks for it itself"),
    ("ray.tune.execution.class_cache", "DEFAULT_ENV_VARS", "reuse warm processes", "each actor imports TensorFlow"),
    ("ray.tune.execution.tune_controller", "TuneController._maybe_cache_trial_actor", "end large workers", "they stay"),
    ("ray.tune.execution.tune_controller", "TuneController.checkpoint", "save it once", "a study's end takes longer"),
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
    use = f"pipeline/execution/ray/internals/ uses it to {purpose}"
    return f"Ray {ray.__version__} no longer has {what}; {use}; without it, {without}."


@pytest.mark.parametrize(("module", "name", "purpose", "without"), NAMES, ids=[name for _, name, *_ in NAMES])
def test_a_name_is_there(module: str, name: str, purpose: str, without: str) -> None:
    """Ray still has each internal name that tunepipe uses."""
    sentence = missing(f"{module}.{name}", purpose, without)
    owner = loaded(module, sentence)
    for part in name.split("."):
        assert hasattr(owner, part), sentence
        owner = getattr(owner, part)


def test_a_missing_module_is_reported_in_words() -> None:
    """The failure of a test about a missing module of Ray says what tunepipe used it for."""
    with pytest.raises(pytest.fail.Exception, match=r"no longer has ray\.gone\.x; .* to read x; without it, y is used"):
        loaded("ray.gone", missing("ray.gone.x", "read x", "y is used"))


@pytest.mark.parametrize(
    ("module", "text", "purpose", "without"),
    [
        ("ray._private.node", internals.SLOW_START, "try a slow start again", "a slow start is a separate error"),
        ("ray.exceptions", internals.FATAL_ACTOR_ERROR, "say why a worker is gone", "the reason is the last line"),
        ("ray._private.node", "_webui_url", "say that no dashboard runs", "Ray waits for one"),
        (
            "ray._private.services",
            "preexec_fn=preexec_fn",
            "keep SIGTERM from Ray",
            "the signal ends the study immediately",
        ),
        ("ray._private.node", "process.terminate()", "end Ray's processes", "the end of a study takes seconds longer"),
        ("ray._private.worker", "_system_config", "import TensorFlow in idle workers", "ray.init refuses it"),
        (
            "ray.tune.execution.tune_controller",
            "self._tune_controller =",
            "reach Tune's own controller",
            "workers stay",
        ),
        ("ray.tune.experiment.trial", "run_metadata.num_failures", "count failures", "the session's count is used"),
        ("ray.tune.experiment.trial", "Failure # ", "say why a worker is lost", "the reason is the last line"),
        ("ray.tune.experiment.trial", "ray_actor", "end a hung worker", "a hung worker is not ended"),
    ],
)
def test_a_text_is_there(module: str, text: str, purpose: str, without: str) -> None:
    """Ray's sources still have each message and attribute that tunepipe reads."""
    sentence = missing(f"{text!r} in {module}", purpose, without)
    source = Path(inspect.getsourcefile(loaded(module, sentence)) or "").read_text()
    assert text in source, sentence


def test_workers_can_preload_modules() -> None:
    """Ray's core accepts the settings by which idle workers preload TensorFlow and stay alive."""
    core = (Path(ray.__file__).parent / "_raylet.so").read_bytes()
    for name in internals.system_settings("x", 1)["_system_config"]:
        assert name.encode() in core, (
            f"Ray no longer has the setting {name}; pipeline/execution/ray/internals/ uses it to keep warm workers; "
            "without it, ray.init ends with an error."
        )


@pytest.mark.parametrize(
    ("module", "name", "context", "consequence"),
    [
        ("ray.tune.execution.class_cache", "DEFAULT_ENV_VARS", internals.plain_actors, "when its trial begins"),
        ("ray._private.worker", "_post_init_hooks", lambda: internals.kept_registry("x"), "data stay in memory"),
        ("ray.tune.registry", "TRAINABLE_CLASS", lambda: internals.kept_registry("x"), "stays registered"),
        (
            "ray.tune.trainable.metadata",
            "_TrainingRunMetadata.update_metric",
            internals.results_not_kept,
            "Tune keeps all metrics",
        ),
        (
            "ray.tune.execution.tune_controller",
            "TuneController.checkpoint",
            internals.experiment_saved_once,
            "Tune saves its own state",
        ),
        ("ray._private.services", "ConsolePopen", internals.signals_kept_from_ray, "ends it without tables"),
        ("ray._private.utils", "set_sigterm_handler", internals.signals_left_alone, "end the study without a message"),
        ("ray._private.node", "Node.start_monitor", internals.without_unused_processes, "runs processes"),
        ("ray._private.utils", "get_dashboard_dependency_error", internals.without_unused_processes, "runs processes"),
    ],
)
def test_without_a_name_the_study_continues_and_says_so(
    module: str,
    name: str,
    context: Any,
    consequence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """If Ray lacks a name that tunepipe uses, the study continues without it and one message says so."""
    monkeypatch.delattr(f"{module}.{name}")
    for _ in range(2):
        with context():
            pass
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert f"This version of Ray has no {module}.{name}: " in lines[0]
    assert consequence in lines[0]
