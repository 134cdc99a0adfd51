"""Canaries: each private name of Ray that tunepipe uses is there; and what tunepipe does with them."""

import inspect
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from pipeline.execution.ray import internals
from pipeline.execution.ray.cluster import ENVIRONMENT
from tests.ray_sources import check_text


@pytest.mark.parametrize("name", [
    "ray._private.utils:set_sigterm_handler",
    "ray._private.utils:get_dashboard_dependency_error",
    "ray._private.node:Node.start_api_server",
    "ray._private.node:Node.start_monitor",
    "ray._private.node:Node.start_log_monitor",
    "ray._private.node:Node.kill_all_processes",
    "ray._private.node:Node.live_processes",
    "ray._private.node:Node.is_head",
    "ray._private.worker:_global_node",
    "ray._private.worker:_post_init_hooks",
    "ray.train._internal.session:_session",
    "ray.tune.tune:ExperimentAnalysis",
    "ray.tune.execution.class_cache:DEFAULT_ENV_VARS",
    "ray.tune.execution.tune_controller:TuneController._maybe_cache_trial_actor",
    "ray.tune.execution.tune_controller:TuneController.checkpoint",
    "ray.tune.registry:_global_registry.unregister",
    "ray.tune.registry:TRAINABLE_CLASS",
    "ray.tune.trainable.metadata:_TrainingRunMetadata.update_metric",
    "ray.tune.experiment:Trial.set_config",
])  # fmt: skip
def test_a_private_name_is_there(name: str) -> None:
    module, _, path = name.partition(":")
    owner: Any = import_module(module)
    for part in path.split("."):
        owner = getattr(owner, part)


@pytest.mark.parametrize(("module", "text"), [
    ("ray._private.node", internals.SLOW_START),
    ("ray._private.node", "_webui_url"),
    ("ray._private.node", "allow_graceful"),
    ("ray._private.services", "signal.pthread_sigmask(signal.SIG_BLOCK"),
    ("ray._private.worker", "_system_config"),
    ("ray.exceptions", internals.FATAL_ACTOR_ERROR),
    ("ray.tune.execution.tune_controller", "self._tune_controller ="),
    ("ray.tune.experiment.trial", "run_metadata.num_failures"),
    ("ray.tune.experiment.trial", "ray_actor"),
    ("ray.tune.experiment.trial", internals.FAILURE),
    ("ray.tune.trainable.trainable", "_iteration"),
])  # fmt: skip
def test_a_text_of_rays_sources_is_there(module: str, text: str) -> None:
    assert text in Path(inspect.getsourcefile(import_module(module)) or "").read_text()


@pytest.mark.parametrize("setting", internals.system_settings("x", 1))
def test_the_core_has_the_settings_of_ready_workers(setting: str) -> None:
    assert setting.encode() in (Path(ray.__file__).parent / "_raylet.so").read_bytes()


@pytest.mark.parametrize("variable", [name for name in ENVIRONMENT if name.startswith(("RAY_", "TUNE_"))])
def test_ray_reads_each_variable_that_a_study_sets(variable: str) -> None:
    file = {
        "RAY_AIR_NEW_OUTPUT": "tune/experimental/output.py",
        "RAY_DEDUP_LOGS": "_private/ray_constants.py",
        "RAY_USAGE_STATS_ENABLED": "_common/usage/usage_constants.py",
    }.get(variable, "tune/constants.py")
    check_text(f'"{variable}"', file, "a study sets it", "it runs with Ray's default")


def test_an_exit_by_ray_is_a_termination_and_one_of_a_user_is_not() -> None:
    from ray._raylet import raise_sys_exit_with_custom_error_message

    with pytest.raises(SystemExit) as caught:
        raise_sys_exit_with_custom_error_message("the node is drained")
    assert internals.is_termination(caught.value)
    assert not internals.is_termination(SystemExit(0))


def test_an_experiment_of_tune_keeps_nothing_and_leaves_nothing() -> None:
    from ray.tune.execution import class_cache
    from ray.tune.trainable.metadata import _TrainingRunMetadata

    hooks = ray._private.worker._post_init_hooks  # noqa: SLF001
    before, variables, metadata = list(hooks), class_cache.DEFAULT_ENV_VARS, _TrainingRunMetadata()
    with internals.bare_experiment("nothing of that name"):
        hooks.append(print)
        metadata.update_metric("value", 1.0)
        assert not hasattr(metadata.update_metric, "mock_calls")  # one would keep every call
        assert class_cache.DEFAULT_ENV_VARS == {} != variables
    assert (metadata.metric_analysis, hooks, class_cache.DEFAULT_ENV_VARS) == ({}, before, variables)


@pytest.mark.parametrize(("text", "sentence"), [
    ("Failure # 1 (occurred at noon)\nThe actor died unexpectedly.\nMore.\n", "The actor died unexpectedly."),
    ("Failure # 1 (a)\nOld.\n\nFailure # 2 (b)\nTraceback:\n  ValueError: no\n", "ValueError: no"),
    ("", "Ray gives no reason."),
])  # fmt: skip
def test_the_newest_failure_says_why_a_worker_is_lost(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "error.txt").write_text(text)
    assert internals.worker_failure_reason(SimpleNamespace(error_file=str(tmp_path / "error.txt"))) == sentence
