"""Studies that were submitted to a cluster: found by name, and started once."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.errors import ClusterError, Fault, InvalidJob, JobNotFound, UsageError

STOP_SECONDS = 30
"""The time that a stopped driver has to finish an epoch and write a checkpoint."""
DRIVER_ENVIRONMENT = {"PYTHONUNBUFFERED": "1", "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS)}
DRIVER_COMMAND = ("python", "-m", "pipeline.cli.app", "run")

STUDY_LABEL = "tunepipe/study"
"""A label of a RayJob: its study's name as a Kubernetes name."""
STORAGE_ANNOTATION = "tunepipe/storage"
STUDY_ANNOTATION = "tunepipe/study-name"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
PRIORITY_LABEL = "kueue.x-k8s.io/priority-class"

_TRIES = 5
_ENDED = {"SUCCEEDED", "STOPPED", "FAILED", "COMPLETE", "VALIDATIONFAILED"}
_KEYS = re.compile(r"(?<=://)[^/?]*:[^/?]*@|(?<=[?&])(?:client_secret|sig)=[^&]*")
"""Keys in a URI: KEY:SECRET@bucket of S3; container:KEY@account, client_secret=… and sig=… (of a SAS) of Azure."""


class NeverStarts(ClusterError):
    """A submission can never start: there is no image or no operator, or the namespace forbids its pods."""


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
    if _KEYS.search(storage):
        storage = _KEYS.sub("…", storage)
        allowed = "must have no keys in it, which the cluster would show to others: give them to its pods or nodes"
    elif "://" in storage or Path(storage).is_absolute():
        return without_slash(storage)
    else:
        allowed = "must be a URI (s3://…, gs://…, abfs://…) or the absolute path of a folder that every node mounts"
    raise InvalidJob("the command line", [Fault("--storage", storage, allowed)])


def find(name: str, known: Sequence[Submission], where: str) -> Sequence[Submission]:
    """The submission of a name; or those of the study of that name that run, else the newest one."""
    found = [each for each in known if each.name == name] or [each for each in known if each.study == name]
    if not found:
        raise JobNotFound(
            f"There is no submission and no study {name!r} {where}. Available: "
            f"{', '.join(each.name for each in known) or 'none'}. A restarted cluster loses its submissions, and ended "
            "RayJobs are deleted: `tunepipe submit` with the same storage resumes the study."
        )
    return [each for each in found if not each.has_ended] or found[-1:]


def find_one(name: str, known: Sequence[Submission], where: str) -> Submission:
    """The newest of the submissions that a name means, which must be of one study."""
    found = find(name, known, where)
    if len({each.storage for each in found}) > 1:
        running = " and ".join(f"{each.name} in {each.storage or 'an unknown storage'}" for each in found)
        raise UsageError(f"The study {name!r} runs as several submissions: {running}. Name one of them.")
    return found[-1]


def submit_once(
    study: str,
    storage: str,
    where: str,
    known: Callable[[], Sequence[Submission]],
    create: Callable[[int], Submission | None],
) -> tuple[Submission, bool]:
    """Start a study, or attach to it where it runs: its submission, and whether it ran already.

    `known` lists the study's submissions, the oldest first; `create` makes the one of a number, None if its name is
    taken.
    """
    for _ in range(_TRIES):
        submissions = known()
        if active := [each for each in submissions if each.storage == storage and not each.has_ended]:
            return active[-1], True
        numbers = (each.name.rpartition("-")[2] for each in submissions)
        created = create(max((int(number) for number in numbers if number.isdigit()), default=0) + 1)
        if created is not None:
            return created, False
    raise ClusterError(
        f"The names of submissions of the study {study!r} {where} are taken, by others who submit it at this moment or "
        "by another program. Submit again, or choose another --name for the study."
    )
