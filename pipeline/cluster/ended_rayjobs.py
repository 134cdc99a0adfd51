"""RayJobs that have ended: the exit code of their studies, and for how long they are kept."""

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from pipeline.cluster.api_errors import ServerUnavailable
from pipeline.cluster.exit_codes import exit_code, is_in_log
from pipeline.cluster.kubernetes_cluster import POLL_SECONDS, SILENT_SECONDS, Kubernetes
from pipeline.cluster.rayjob_states import STUDY_LABEL, ended_before, storage_of, submitting_container
from pipeline.errors import ClusterError

_LAST_LINES = 50
_KEPT = timedelta(minutes=10)
"""How long an ended RayJob stays when its study is submitted again, so that its log can be read."""
_KEPT_OF_OTHERS = timedelta(days=7)
"""How long an ended RayJob of another study stays."""


def read_exit_code(server: Kubernetes, name: str) -> int:
    """The exit code of a study's `tunepipe run`."""
    end = time.monotonic() + SILENT_SECONDS
    while True:
        job, log = None, ""
        try:
            job = server.job(name)
            # A log of a node that is away takes its whole timeout.
            pods = server.pods(name, {}) if is_in_log(job) else []
            log = server.log(pods[-1], submitting_container(job), lines=_LAST_LINES) if pods else ""
        except ServerUnavailable:
            if time.monotonic() < end:
                time.sleep(POLL_SECONDS)
                continue
            if job is None:
                raise
        except ClusterError:
            if job is None:
                raise
        # A node that is gone has taken the log with it.
        return exit_code(job, log)


def delete_ended(server: Kubernetes, study: str, storage: str) -> None:
    """Delete RayJobs that ended a while ago, those of all studies after a week, with what belongs to them."""
    now = datetime.now(UTC)
    for each in server.jobs():
        same = each["metadata"]["labels"][STUDY_LABEL] == study and storage_of(each) == storage
        if ended_before(each, now - (_KEPT if same else _KEPT_OF_OTHERS)):
            # Another user may have deleted it.
            with suppress(ClusterError):
                server.delete(each["metadata"]["name"])
