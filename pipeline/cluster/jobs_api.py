"""Ray's Jobs API over plain HTTP, so that commands about submissions need not import Ray.

Ray's own client is part of the package `ray`, which takes seconds to import. The API is
seven requests: https://docs.ray.io/en/latest/cluster/running-applications/job-submission/rest.html
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipeline.cluster.dashboard import SILENT_SECONDS, Dashboard, Unreachable
from pipeline.cluster.storage_name import without_slash
from pipeline.cluster.submission_names import matching, only, running_or_newest
from pipeline.errors import ClusterError, JobNotFound

ENDED = ("SUCCEEDED", "FAILED", "STOPPED")
"""States that a submission does not leave."""

_UPLOAD_SECONDS = 600.0
POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Submission:
    """A job of the Jobs API, or a RayJob, that tunepipe has started."""

    name: str
    study: str
    storage: str
    state: str
    message: str
    exit_code: int | None
    started: datetime | None
    submitter: str | None = None


class JobsApi:
    """The Jobs API of one cluster."""

    def __init__(self, address: str) -> None:
        self._server = Dashboard(address)

    @property
    def address(self) -> str:
        """The address of the dashboard, with its protocol."""
        return self._server.address

    def submissions(self) -> list[Submission]:
        """All submissions of tunepipe that the cluster knows, the oldest first."""
        jobs = self._server.read("/api/jobs/", list)
        ours = [_submission(job) for job in jobs if (job.get("metadata") or {}).get("tunepipe_study")]
        return sorted(ours, key=lambda each: (each.started or datetime.max.replace(tzinfo=UTC), each.name))

    def submission(self, name: str) -> Submission:
        """A submission by its own name."""
        known = self.submissions()
        if (found := next((each for each in known if each.name == name), None)) is None:
            raise self._unknown(name, known)
        return found

    def find(self, name: str, storage: str | None = None) -> Submission:
        """A submission by its own name; or else that of the study of that name: the one that runs, else the newest."""
        found = self.matches(name, storage)
        return only(
            name, found, name_of=lambda each: each.name, storage_of=lambda each: each.storage, what="submissions"
        )

    def matches(self, name: str, storage: str | None = None) -> Sequence[Submission]:
        """A submission by its own name, or those of the studies of that name that run, else the newest one."""
        known = self.submissions()
        matches = matching(
            name,
            known,
            name_of=lambda each: each.name,
            study_of=lambda each: each.study,
            is_of_study=lambda each: each.study == name,
        )
        if not matches:
            raise self._unknown(name, known)
        wanted = None if storage is None else without_slash(storage)
        if found := [each for each in matches if wanted in (None, without_slash(each.storage))]:
            return running_or_newest(found, has_ended=lambda each: each.state in ENDED)
        others = ", ".join(sorted({each.storage for each in matches}))
        raise JobNotFound(
            f"No submission of {name!r} on {self.address} has its study in {wanted}; found it in {others}."
        )

    def _unknown(self, name: str, known: list[Submission]) -> JobNotFound:
        existing = f"Available: {', '.join(each.name for each in known)}" if known else "There are none"
        return JobNotFound(
            f"There is no submission {name!r} on {self.address}. {existing}. A restarted cluster loses "
            "its list of submissions: `tunepipe submit` with the same storage resumes the study."
        )

    def upload(self, name: str, content: bytes) -> str:
        """Upload a package, unless the cluster has it."""
        path = f"/api/packages/gcs/{name}"
        if self._server.request("GET", path, allowed=(404,)).status_code == 404:
            self._server.request("PUT", path, data=content, timeout=_UPLOAD_SECONDS)
        return f"gcs://{name}"

    def submit(self, name: str, entrypoint: str, runtime_env: Mapping[str, Any], metadata: Mapping[str, str]) -> bool:
        """Start a job."""
        body = {
            "submission_id": name,
            "entrypoint": entrypoint,
            "runtime_env": dict(runtime_env),
            "metadata": dict(metadata),
        }
        answer = self._server.request("POST", "/api/jobs/", json=body, allowed=(500,))
        if answer.status_code == 500:
            if "already exists" in answer.text:
                return False
            raise self._server.refusal(answer)
        return True

    def stop(self, name: str) -> None:
        """Ask a submission's driver to end: it pauses its trials and completes the tables."""
        self._server.request("POST", f"/api/jobs/{name}/stop")

    def logs(self, name: str) -> str:
        """What a submission's driver has printed so far."""
        return str(self._server.read(f"/api/jobs/{name}/logs", dict).get("logs") or "")

    def follow(self, name: str) -> Iterator[str]:
        """What a submission's driver prints, as it comes, until it has ended."""
        printed, answered_at = 0, time.monotonic()
        while True:
            try:
                ended, seen = self._state(name) in ENDED, 0
                for text in [self.logs(name)] if ended else self._server.messages(f"/api/jobs/{name}/logs/tail"):
                    # A new connection to the log starts at its beginning.
                    if new := text[max(printed - seen, 0) :]:
                        yield new
                    seen += len(text)
                    printed = max(printed, seen)
                answered_at = time.monotonic()
            except Unreachable:
                if time.monotonic() - answered_at > SILENT_SECONDS:
                    raise ClusterError(
                        f"{self.address} has not answered for {SILENT_SECONDS:.0f} s. If its head node is lost, the "
                        "study's driver is lost, too, but all records are kept: when the cluster runs again, `tunepipe "
                        "submit` with the same storage resumes the study. If only the connection is lost, it attaches "
                        "to the running study."
                    ) from None
                ended = False
            if ended:
                return
            time.sleep(POLL_SECONDS)

    def _state(self, name: str) -> str:
        answer = self._server.request("GET", f"/api/jobs/{name}", allowed=(404,))
        if answer.status_code == 404:
            raise ClusterError(
                f"The submission {name!r} is gone: {self.address} was restarted. All records are kept; `tunepipe "
                "submit` with the same storage resumes the study."
            )
        return str(self._server.value(answer, dict).get("status"))


def _submission(job: Mapping[str, Any]) -> Submission:
    metadata, started = job.get("metadata") or {}, job.get("start_time")
    return Submission(
        name=str(job.get("submission_id")),
        study=str(metadata.get("tunepipe_study", "")),
        storage=str(metadata.get("tunepipe_storage", "")),
        state=str(job.get("status")),
        message=str(job.get("message") or ""),
        exit_code=job.get("driver_exit_code"),
        started=datetime.fromtimestamp(started / 1000, UTC) if started else None,
        submitter=metadata.get("tunepipe_submitter"),
    )
