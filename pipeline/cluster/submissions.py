"""Studies that were submitted to a cluster: found by name, and started once."""

import getpass
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import ClusterError, Fault, InvalidJob, JobNotFound, StudyExists, UsageError
from pipeline.text import without_keys

if TYPE_CHECKING:
    from pipeline.study import TuneJob

STOP_SECONDS = 30
"""The time that a stopped driver has to finish an epoch and write a checkpoint."""
DRIVER_ENVIRONMENT = {"PYTHONUNBUFFERED": "1", "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS)}
DRIVER_COMMAND = ("python", "-m", "pipeline.cli.app", "run")

STUDY_LABEL = "tunepipe/study"
"""A label of a RayJob: its study's name as a Kubernetes name."""
STORAGE_ANNOTATION = "tunepipe/storage"
STUDY_ANNOTATION = "tunepipe/study-name"
JOB_ANNOTATION, USER_ANNOTATION = "tunepipe/job", "tunepipe/submitted-by"

_ENDED = {"SUCCEEDED", "STOPPED", "FAILED", "COMPLETE", "VALIDATIONFAILED"}


class NeverStarts(ClusterError):
    """A submission can never start: there is no image, or the namespace forbids its pods."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A job of Ray's Jobs API, or a RayJob, that tunepipe has started."""

    name: str
    study: str
    storage: str
    state: str
    message: str = ""
    exit_code: int | None = None
    started: datetime | None = None
    job: str = ""
    """The `identity` of its job; empty if that is unknown, as is the user."""
    user: str = ""
    rayjob: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def has_ended(self) -> bool:
        """Whether its state is a last one."""
        return self.state in _ENDED


def without_slash(storage: str) -> str:
    """A storage without a slash at its end: with and without it, it is the same one."""
    head, mark, options = storage.partition("?") if "://" in storage else (storage, "", "")
    return f"{head.rstrip('/') or '/'}{mark}{options}"


def shared_storage(storage: str) -> str:
    """Check that a storage means the same on every node, and may be read by everyone who reads a cluster's objects."""
    if (shown := without_keys(storage)) != storage:
        storage = shown
        allowed = "must have no keys in it, which the cluster would show to others: give them to its pods or nodes"
    elif "://" in storage or Path(storage).is_absolute():
        return without_slash(storage)
    else:
        allowed = "must be a URI (s3://…, gs://…, abfs://…) or the absolute path of a folder that every node mounts"
    raise InvalidJob("the command line", [Fault("--storage", storage, allowed)])


def this_user() -> str:
    try:
        return f"{getpass.getuser()}@{platform.node()}"
    except (KeyError, OSError):  # a container's user without a name
        return platform.node()


def find(name: str, known: Sequence[Submission], where: str) -> Submission:
    """The submission of a name; or else that of the study of that name: the one that runs, else the newest."""
    found = [each for each in known if each.name == name] or [each for each in known if each.study == name]
    if not found:
        raise JobNotFound(
            f"There is no submission and no study {name!r} {where}. Available: "
            f"{', '.join(each.name for each in known) or 'none'}. `tunepipe submit` resumes a study in its storage."
        )
    running = [each for each in found if not each.has_ended]
    if len({each.storage for each in running}) > 1:
        several = " and ".join(f"{each.name} in {each.storage or 'an unknown storage'}" for each in running)
        raise UsageError(f"The study {name!r} runs as several submissions: {several}. Name one of them.")
    return (running or found)[-1]


def running_or_next(job: "TuneJob", storage: str, known: Sequence[Submission]) -> tuple[Submission | None, int]:
    """The submission of a job that runs in a storage, if there is one, and the number of its study's next one."""
    study = job.name
    of_study = [each for each in known if each.study == study]
    running = [each for each in of_study if each.storage == storage and not each.has_ended]
    if running and running[-1].job not in ("", job.identity):
        other, by = running[-1].name, f", submitted by {running[-1].user}" if running[-1].user else ""
        raise StudyExists(
            f"A study {study!r} with another job is running in {storage}: {other}{by}. Give this one another name with "
            "--name or another --storage, or wait until the other has ended."
        )
    numbers = (each.name.rpartition("-")[2] for each in of_study)
    next_number = max((int(number) for number in numbers if number.isdigit()), default=0) + 1
    return running[-1] if running else None, next_number
