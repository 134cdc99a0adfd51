"""Trials of earlier studies from which a study learns: earlier.json in its folder, written when it starts."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from pipeline.errors import StorageError
from pipeline.searchers import EarlierStudy, Observation, curve_of
from pipeline.space import fits
from pipeline.storage import Store
from pipeline.study import layout
from pipeline.study.faults import start_faults
from pipeline.study.job import MAX_STUDIES, TuneJob
from pipeline.study.trial_configs import completed

MAX_TRIALS = 300
"""The maximum number of trials of an earlier study that are copied."""

_CHECKED = ConfigDict(allow_inf_nan=False)


@dataclass(frozen=True, slots=True, config=_CHECKED)
class EarlierTrial:
    """A trial of an earlier study."""

    trial_id: str
    config: dict[str, Any]
    curve: Annotated[tuple[tuple[Annotated[int, Field(ge=1)], float], ...], Field(max_length=64)] = ()
    ended: bool = False
    failed: bool = False


@dataclass(frozen=True, slots=True, config=_CHECKED)
class EarlierTrials:
    """What is copied of an earlier study."""

    study: str
    metric: str
    mode: Literal["min", "max"]
    of: int
    outside: int
    missing: tuple[str, ...]
    trials: Annotated[tuple[EarlierTrial, ...], Field(max_length=MAX_TRIALS)]


_READ = TypeAdapter(Annotated[tuple[EarlierTrials, ...], Field(max_length=MAX_STUDIES)])


def write_earlier(store: Store, earlier: Sequence[EarlierTrials]) -> None:
    """Write the trials of earlier studies into a study's folder."""
    store.write(layout.EARLIER, json.dumps([asdict(study) for study in earlier], ensure_ascii=False) + "\n")


def read_earlier(store: Store) -> tuple[EarlierTrials, ...]:
    """The trials of earlier studies in a study's folder."""
    try:
        return _READ.validate_python(store.read_json(layout.EARLIER))
    except FileNotFoundError:
        why = "is missing"
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        why = f"is not what tunepipe wrote (at {where or 'the top'})"
    raise StorageError(
        f"{layout.EARLIER} in {store.uri}, the trials of the studies from which this one learns, {why}. Restore the "
        "file, or start another study with --name."
    )


def earlier_studies(job: TuneJob, earlier: Sequence[EarlierTrials]) -> list[EarlierStudy]:
    """The trials of earlier studies as a searcher learns from them.

    A parameter that a study did not have gets a random value in each trial, the same ones each time: over many trials
    it is averaged out.
    """
    studies = []
    for study in earlier:
        tried = [
            Observation(
                completed(job, trial.config, f"{study.study} {trial.trial_id}"),
                "failed" if trial.failed else "known",
                min((loss for _, loss in trial.curve), default=None),
                trial.curve,
                trial.trial_id,
                trial.ended,
            )
            for trial in study.trials
            if not any(start_faults(job.space, trial.config, ""))
        ]
        tried = [one for one in tried if fits(job.space, one.config)]
        if any(curve_of(one, job.budget.epochs) for one in tried):
            studies.append(EarlierStudy(study.study, tried))
    return studies
