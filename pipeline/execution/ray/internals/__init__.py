"""The private names of Ray that tunepipe uses; no other package uses them.

If a version of Ray lacks a name, a study runs slower, with more processes or with fewer messages, but with the same
results, and a warning is printed once. tests/unit/execution/ray/internals/ has one test for each name.
"""

from pipeline.execution.ray.internals.experiment import (
    experiment_saved_once,
    kept_registry,
    plain_actors,
    reporting_to,
    results_not_kept,
    scheduler_facts,
    searcher_facts,
    set_iteration,
    stopper_facts,
)
from pipeline.execution.ray.internals.start import (
    SLOW_START,
    local_address,
    signals_kept_from_ray,
    signals_left_alone,
    system_settings,
    without_unused_processes,
)
from pipeline.execution.ray.internals.trial_actors import (
    FATAL_ACTOR_ERROR,
    actor_of,
    failures_of,
    is_termination,
    refuse_cached_actors,
    set_trial_config,
    worker_failure_reason,
)

__all__ = [
    "FATAL_ACTOR_ERROR",
    "SLOW_START",
    "actor_of",
    "experiment_saved_once",
    "failures_of",
    "is_termination",
    "kept_registry",
    "local_address",
    "plain_actors",
    "refuse_cached_actors",
    "reporting_to",
    "results_not_kept",
    "scheduler_facts",
    "searcher_facts",
    "set_iteration",
    "set_trial_config",
    "signals_kept_from_ray",
    "signals_left_alone",
    "stopper_facts",
    "system_settings",
    "without_unused_processes",
    "worker_failure_reason",
]
