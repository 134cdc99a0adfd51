"""Optuna's entry points: the call of `optimize` ends the program, and its arguments are kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipeline.adapters.attributes import replaced_attributes
from pipeline.adapters.optuna.trial import quiet_optuna
from pipeline.adapters.program import end_program


@contextmanager
def patches() -> Iterator[None]:
    """A context in which Optuna's studies keep the arguments of optimize, end the program there, and store nothing."""
    import optuna

    studies = _Studies()
    replaced: list[tuple[Any, str, Any]] = [
        (optuna.study.Study, "optimize", _optimize),
        (optuna.study.Study, "ask", _ask),
    ]
    for module in (optuna, optuna.study):
        replaced += [
            (module, "create_study", studies.create),
            (module, "load_study", studies.load),
            # A program that starts again would delete the user's own study.
            (module, "delete_study", lambda **_: None),
        ]
    with quiet_optuna(), replaced_attributes(replaced):
        yield


class _Studies:
    """The studies of a program, all of them in memory."""

    def __init__(self) -> None:
        import optuna

        self._create, self._load = optuna.create_study, optuna.load_study
        self._by_name: dict[str, Any] = {}

    def create(self, **arguments: Any) -> Any:
        """As optuna.create_study, in memory."""
        kept = {name: value for name, value in arguments.items() if name not in ("storage", "load_if_exists")}
        study = self._create(**kept)
        self._by_name[study.study_name] = study
        return study

    def load(self, *, study_name: Any = None, **arguments: Any) -> Any:
        """As optuna.load_study: a study that the program created, or a copy without the trials of a stored one."""
        if study_name in self._by_name:
            study = self._by_name[study_name]
            given = {name: value for name in ("sampler", "pruner") if (value := arguments.get(name)) is not None}
            vars(study).update(given)
            return study
        stored = self._load(study_name=study_name, **arguments)
        kept = {name: value for name, value in arguments.items() if name != "storage"}
        study = self.create(study_name=stored.study_name, directions=stored.directions, **kept)
        for name, value in stored.user_attrs.items():
            study.set_user_attr(name, value)
        return study


def _optimize(
    study: Any,
    func: Any,
    n_trials: Any = None,
    timeout: Any = None,
    _jobs: Any = None,
    catch: Any = (),
    callbacks: Any = None,
    **_: Any,
) -> None:
    """As Study.optimize, which ends the program."""
    from optuna.trial import TrialState

    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    end_program(
        func,
        {
            "directions": [direction.name.lower() for direction in study.directions],
            "trials": n_trials,
            "seconds": timeout,
            "pruner": study.pruner,
            "sampler": study.sampler,
            "callbacks": callbacks,
            "caught": bool(catch),
            "names": study.metric_names,
            "study": {"study_name": study.study_name, "directions": study.directions},
            "attributes": study.user_attrs,
            "enqueued": [trial.system_attrs.get("fixed_params", {}) for trial in waiting],
            "added": len(study.get_trials(deepcopy=False)) - len(waiting),
        },
    )


def _ask(study: Any, *_: Any, **__: Any) -> None:
    """As Study.ask, which ends the program: the objective of a program that asks for trials itself is unknown."""
    _optimize(study, None)
