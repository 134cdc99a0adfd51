"""A function of Ray Tune, or a Trainable class, as the function of a job."""

import inspect
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.adapters import adapted
from pipeline.adapters.metrics import numeric
from pipeline.adapters.program import Call
from pipeline.adapters.ray_tune.class_steps import class_steps
from pipeline.adapters.ray_tune.entry_points import plain, train_as_tune, unwrapped
from pipeline.adapters.ray_tune.mutations import with_mutations
from pipeline.adapters.ray_tune.param_space import config_of, names_of, outside_of, points_of, space_of_ray
from pipeline.adapters.ray_tune.sample_from import computed, places_of_functions, with_draws
from pipeline.adapters.ray_tune.stopping import Rules
from pipeline.adapters.ray_tune.tuner import fields_of_tuner, left_out_of_tuner
from pipeline.adapters.steps import Steps
from pipeline.errors import Fault, InvalidJob
from pipeline.execution.ray.internals import reporting_to, scheduler_facts, searcher_facts
from pipeline.space import Domain
from pipeline.study.context import continued_from, current
from pipeline.study.read_once import content_of
from pipeline.wording import listed

__all__ = ["Adapted"]

_SPACES = ("param_space", "search_space", "space", "config")
"""Names of variables that hold a program's space, unless it calls Tuner.fit or tune.run."""


class Adapted(adapted.Adapted):
    """A function of Ray Tune as the function of a job.

    Args:
        program: Returns its program; None for a function without one.
        name: Its name there; empty for the one that the program tunes.
        given: The function itself, without a program.
        space: Its param_space, where it is not the program's.
    """

    def __init__(self, program: Any, name: str, given: Any = None, space: Any = None) -> None:
        super().__init__(program, name, given)
        self._space = space
        self._notes: list[str] = []

    def is_tuned_by(self, call: Call) -> bool:
        """Whether a call of Tuner.fit or tune.run has the function, with or without its own parameters."""
        return plain(call.target) is plain(unwrapped(self.named)[0])

    @cached_property
    def trainable(self) -> Any:
        """The function, with the parameters that tune.with_parameters gives it."""
        if self.call is not None:
            return self.call.target
        return unwrapped(self._given if self.program is None else self.named)[0]

    @cached_property
    def param_space(self) -> Mapping[str, Any]:
        """The param_space, with what the scheduler changes and what functions draw."""
        facts = self._scheduler
        space = self._given_space
        if facts.get("mutations"):
            space = with_mutations(space, facts["mutations"], bounds=facts["kind"] == "PB2")
        return with_draws(space)

    @cached_property
    def _scheduler(self) -> Mapping[str, Any]:
        return {} if self.call is None else scheduler_facts(self.call.arguments.get("scheduler"))

    @cached_property
    def _given_space(self) -> Mapping[str, Any]:
        if self._space is not None:
            return dict(self._space)
        if self.call is not None:
            return dict(self.call.arguments["space"])
        home = {} if self.program is None else vars(self.program.module)
        return next((home[name] for name in _SPACES if isinstance(home.get(name), Mapping)), {})

    @property
    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """The functions of the module that a study copies, as functions of this process."""
        return {"train": lambda config, state: self.steps(config, state)}

    @property
    def function_fields(self) -> Mapping[str, str | None]:
        """The fields of the job that are one of these functions."""
        return {"function": "train"}

    def fields(self, given: Mapping[str, Any], subject: str) -> dict[str, Any]:
        """The fields of a job, as far as the function and its program say them."""
        if not callable(self.trainable):
            raise InvalidJob(subject, [Fault("name", None, "must be a function of Ray Tune, or a Trainable class")])
        arguments: Mapping[str, Any] = {} if self.call is None else self.call.arguments
        file, source = "", ""
        if self.program is not None:
            file = Path(self.program.module.__file__ or "").name
            source = (content_of(vars(self.program.module)) or b"").decode(errors="replace")
        space = space_of_ray(self.param_space, subject, file, source)
        fields = {"space": space, **fields_of_tuner(arguments, self.trainable, self.param_space, space, source)}
        search = searcher_facts(arguments.get("search_alg"))
        if self.call is not None and search["space"] and not self.param_space and not given.get("space"):
            allowed = "must have the space in param_space of tune.Tuner, in domains such as tune.uniform"
            raise InvalidJob(subject, [Fault(self.call.line, f"a space in {search['kind']}", allowed)])
        self._notes = []
        mutations = self._scheduler.get("mutations")
        points = [self._given_space if mutations else {}, *(search["points"] or ())]
        if first := points_of(points, space):
            fields["start_with"] = first
        if outside := outside_of(points, space):
            self._notes.append(f"{', '.join(outside)} in the first configs is outside of the space, and drawn instead.")
        kept = [name for name, domain in space.items() if isinstance(domain, Domain)]
        if mutations and (others := [name for name in kept if name not in names_of(mutations)]):
            self._notes.append(
                f"The population also changes {listed(others)}, which Ray Tune would not: --set space.{others[0]}=… "
                "fixes a value that must not change while a trial trains."
            )
        if "objectives" not in fields and "objectives" not in given:
            where = self.call.line if self.call is not None else subject
            found = "no metric with a mode, min or max"
            allowed = "must be given, in tune.TuneConfig(metric=…, mode=…) or by --set 'objectives=[{\"metric\": …}]'"
            raise InvalidJob(subject, [Fault(where, found, allowed)])
        return fields

    @property
    def left_out(self) -> list[str]:
        """The settings of the call that the job does not have, a sentence each."""
        left_out = [*self._notes, *([] if self.call is None else left_out_of_tuner(self.call.arguments))]
        if names := ", ".join(".".join(place) for place in places_of_functions(self.param_space)):
            left_out.append(f"tune.sample_from is called in each trial for {names}; the tables do not have its values.")
        return left_out

    def steps(self, config: Mapping[str, Any], state: Any) -> Iterator[Any]:
        """The function's reports, each with its checkpoint.

        Args:
            config: The trial's config.
            state: The folder of the last checkpoint, or None.
        """
        from ray import tune

        trial = current()
        text = f"{0 if trial is None else trial.seed} {json.dumps(config, sort_keys=True)}"
        whole = computed(config_of(self.param_space, config), zlib.crc32(text.encode()))
        stop = None if self.call is None else self.call.arguments.get("stop")
        rules = Rules(stop, "trial" if trial is None else trial.id, continued_from())
        if inspect.isclass(self.trainable):
            return class_steps(self.trainable, whole, state, rules)

        def train(steps: Steps) -> Any:
            checkpoint = None if state is None else tune.Checkpoint.from_directory(str(state))
            with reporting_to(_Session(steps, checkpoint, rules)), train_as_tune():
                return self.trainable(whole)

        return Steps(train, _last)


class _Session:
    """What Ray's functions reach for a trial."""

    world_rank = world_size = local_rank = local_world_size = node_rank = None
    trial_resources = None

    def __init__(self, steps: Steps, checkpoint: Any, rules: Rules) -> None:
        self._steps, self.loaded_checkpoint, self._rules = steps, checkpoint, rules
        trial = current()
        self.trial_id = self.trial_name = trial.id if trial is not None else "trial"
        self.trial_dir = str(trial.folder if trial is not None else Path.cwd())
        self.experiment_name = self.run_id = "tunepipe"

    def report(self, metrics: Mapping[str, Any], checkpoint: Any = None, **_: Any) -> None:
        """Report an epoch, and wait for the next one."""
        with ExitStack() as opened:
            state = None
            if checkpoint is not None:
                state = Path(opened.enter_context(checkpoint.as_directory()))
            self._steps.report((numeric(metrics), state), last=self._rules.end_after(metrics))


def _last(value: Any, count: int) -> Any:
    """What a function returns counts where it has reported nothing."""
    if count or value is None:
        return None
    return numeric(value) if isinstance(value, Mapping) else {"_metric": float(value)}
