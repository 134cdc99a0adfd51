"""Studies on a Ray cluster, by the Jobs API of its dashboard.

Ray's own client has no time-out, so that it waits forever for a lost cluster; it sends a token only with RAY_AUTH_MODE
and lets ~/.netrc replace it; and importing it takes longer than these commands do.
"""

import hashlib
import importlib.util
import io
import os
import shlex
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import requests

from pipeline.cluster.submissions import (
    DRIVER_COMMAND,
    DRIVER_ENVIRONMENT,
    Submission,
    find,
    running_or_next,
    this_user,
    without_slash,
)
from pipeline.errors import ClusterError, Interrupted, UsageError
from pipeline.text import size

_Json = TypeVar("_Json", dict[str, Any], list[Any])

if TYPE_CHECKING:
    from pipeline.study import TuneJob

POLL_SECONDS = 1.0
SILENT_SECONDS = 30.0
"""How long a cluster may be unreachable before its study is no longer followed."""
MAX_CODE_BYTES = 500 * 2**20
"""The limit of Ray's server, 512 MiB, less the directory of the zip."""
_CONNECT_SECONDS, _ANSWER_SECONDS, _UPLOAD_SECONDS = 5.0, 60.0, 600.0
_MAX_CHARACTERS = 600
_RESUMES = "All records are kept: `tunepipe submit` with the same storage resumes the study."


class Unreachable(ClusterError):
    """The cluster does not answer; a later request may succeed."""


class JobsApi:
    """The Jobs API of one cluster."""

    def __init__(self, address: str) -> None:
        if "@" in address:
            raise UsageError("The address of a Ray dashboard has no user and no password: http://HOST:8265.")
        self.address = (address if "://" in address else f"http://{address}").rstrip("/")
        self.where, self.options = f"on {self.address}", f"--address {self.address}"
        self._token = _token()
        self._session = requests.Session()
        # As authentication rather than as a header, which ~/.netrc would replace.
        self._session.auth = self._authenticate
        # No proxy gets the token of a dashboard on this machine.
        here = tuple(f"{scheme}://{name}" for scheme in ("http", "https") for name in ("localhost", "127.", "[::1]"))
        self._session.trust_env = not self.address.startswith(here)

    def find(self, name: str) -> Submission:
        """The submission of a name, or that of the study of that name."""
        return find(name, self.submissions(), self.where)

    def submissions(self, name: str | None = None) -> list[Submission]:
        """All submissions of tunepipe that the cluster knows, the oldest first, or the one that a name means."""
        ours = [each for each in map(_submission, self._json("/api/jobs/", list)) if each.study]
        ours.sort(key=lambda each: (each.started or datetime.max.replace(tzinfo=UTC), each.name))
        return ours if name is None else [find(name, ours, self.where)]

    def submit(
        self, job: "TuneJob", job_name: str, storage: str, options: Sequence[str], project: Path
    ) -> tuple[Submission, bool]:
        """Start a study, or attach to it; returns its submission, and whether it ran already."""
        running, number = running_or_next(job, storage, self.submissions())
        if running is not None:
            return running, True
        content, job_there = package(project, job_name)
        name, uploaded = f"{job.name}-{number}", f"_ray_pkg_{hashlib.sha256(content).hexdigest()[:32]}.zip"
        path = f"/api/packages/gcs/{uploaded}"
        if not self._request("GET", path, allowed=404).ok:
            self._request("PUT", path, data=content, seconds=_UPLOAD_SECONDS)
        body = {
            "submission_id": name,
            "entrypoint": shlex.join([*DRIVER_COMMAND, job_there, "--resume", "--storage", storage, *options]),
            "runtime_env": {"working_dir": f"gcs://{uploaded}", "env_vars": DRIVER_ENVIRONMENT},
            "metadata": {
                "tunepipe_study": job.name, "tunepipe_storage": storage, "tunepipe_job": job.identity,
                "tunepipe_user": this_user(),
            },
        }  # fmt: skip
        self._request("POST", "/api/jobs/", json=body)
        return Submission(name, job.name, storage, "PENDING"), False

    def request_stop(self, name: str) -> None:
        """Ask a submission's driver to end: it pauses its trials and completes the tables."""
        self._request("POST", f"/api/jobs/{name}/stop")

    def stop(self, name: str) -> None:
        """Ask a submission's driver to end, and wait for it."""
        self.request_stop(name)
        for _ in self.follow(name):
            pass

    def output(self, found: Submission) -> str:
        """What a submission's driver has printed so far."""
        return str(self._json(f"/api/jobs/{found.name}/logs", dict).get("logs") or "")

    def follow(self, name: str) -> Iterator[str]:
        """What a submission's driver prints, as it comes, until it has ended."""
        printed, answered = 0, time.monotonic()
        while True:
            began = time.monotonic()
            try:
                found = self._submission(name)
                text = self.output(found)
            except Unreachable as error:
                if time.monotonic() - answered > SILENT_SECONDS:
                    raise ClusterError(f"{error} The cluster was lost, or only the connection. {_RESUMES}") from None
            else:
                answered = time.monotonic()
                if new := text[printed:]:
                    yield new
                printed = len(text)
                if found.has_ended:
                    return
            # A long log is read in a part of the time only.
            time.sleep(max(POLL_SECONDS, 4 * (time.monotonic() - began)))

    def exit_code(self, name: str) -> int:
        """The exit code of an ended submission's `tunepipe run`."""
        ended = self._submission(name)
        if ended.state == "STOPPED":
            return Interrupted.exit_code
        if ended.exit_code is not None or ended.state == "SUCCEEDED":
            return ended.exit_code or 0
        message = " ".join(ended.message.split())[:_MAX_CHARACTERS]
        raise ClusterError(f"The submission {name!r} ended before its study did: {message} {_RESUMES}")

    def _submission(self, name: str) -> Submission:
        """A submission as it is now."""
        if not (job := self._json(f"/api/jobs/{name}", dict, allowed=404)):
            raise ClusterError(f"The submission {name!r} is gone: {self.address} was restarted. {_RESUMES}")
        return _submission(job)

    def _json(self, path: str, kind: type[_Json], *, allowed: int = 0) -> _Json:
        """What a path answers in JSON: an object or a list, which is empty for the status that is allowed."""
        answer = self._request("GET", path, allowed=allowed)
        try:
            answered = answer.json() if answer.ok else kind()
        except requests.JSONDecodeError:
            answered = None
        if not isinstance(answered, kind):
            raise self._refusal(answer)
        return answered

    def _request(
        self, method: str, path: str, *, allowed: int = 0, seconds: float = _ANSWER_SECONDS, **body: Any
    ) -> requests.Response:
        timeout = (_CONNECT_SECONDS, seconds)
        try:
            answer = self._session.request(method, self.address + path, timeout=timeout, allow_redirects=False, **body)
        except requests.RequestException as error:
            # Its first cause is what the operating system says.
            cause: BaseException = error
            while cause.__context__ is not None:
                cause = cause.__context__
            raise Unreachable(
                f"{self.address} cannot be reached: {cause}. Is it the address of a Ray dashboard? From outside "
                "Kubernetes, `kubectl port-forward service/NAME-head-svc 8265` is needed."
            ) from None
        if answer.status_code not in (200, allowed):
            raise self._refusal(answer)
        return answer

    def _refusal(self, answer: requests.Response) -> ClusterError:
        # The cause of an error of Ray's server is at the end of its traceback.
        said = f"{self.address} answers HTTP {answer.status_code}: {' '.join(answer.text.split())[-_MAX_CHARACTERS:]}"
        if answer.status_code >= 500:
            return Unreachable(said)
        if answer.status_code in (401, 403):
            refused = "the token" if self._token else "requests without a token"
            return ClusterError(
                f"{said}. It refuses {refused}: put that of the cluster into RAY_AUTH_TOKEN, into a file that "
                "RAY_AUTH_TOKEN_PATH names, or into ~/.ray/auth_token."
            )
        return ClusterError(f"{said}. Is this the address of a Ray dashboard? The head needs ray[default].")

    def _authenticate(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _submission(job: Mapping[str, Any]) -> Submission:
    metadata, started = job.get("metadata") or {}, job.get("start_time")
    return Submission(
        name=str(job.get("submission_id")),
        study=str(metadata.get("tunepipe_study", "")),
        storage=without_slash(str(metadata.get("tunepipe_storage", "/"))),
        state=str(job.get("status")),
        message=str(job.get("message") or ""),
        exit_code=job.get("driver_exit_code"),
        started=datetime.fromtimestamp(started / 1000, UTC) if started else None,
        job=str(metadata.get("tunepipe_job", "")),
        user=str(metadata.get("tunepipe_user", "")),
    )


def _token() -> str | None:
    """The token of a Ray cluster, from the places where Ray reads it; None if there is none."""
    token = os.environ.get("RAY_AUTH_TOKEN", "").strip()
    if not token:
        # A container's user that is only a number has no home.
        with suppress(OSError, RuntimeError):
            file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token")
            token = file.expanduser().read_text(errors="replace").strip()
    if not (token.isascii() and token.isprintable()):
        raise ClusterError("The token of the Ray cluster is not one line of ASCII characters.")
    return token or None


def package(project: Path, job: str) -> tuple[bytes, str]:
    """A zip of the project and of the installed tunepipe, and the job's name in it."""
    from pipeline.code.modules import split_job_name
    from pipeline.code.snapshot import project_files

    project = project.resolve()
    job_file, name = split_job_name(job)
    # The cluster runs this version, whatever version its image has.
    specs = [importlib.util.find_spec(own) for own in ("pipeline", "tune_jobs")]
    own = [Path(spec.origin).parent for spec in specs if spec is not None and spec.origin is not None]
    files, buffer = dict[str, Path](), io.BytesIO()
    try:
        for folder, root in ((project, project), *((each, each.parent) for each in own)):
            files |= {path.relative_to(root).as_posix(): path for path in project_files(folder)}
        if job_file.endswith(".py"):
            file = Path(job_file).expanduser().resolve()
            if not file.is_relative_to(project):
                raise ClusterError(f"{file} is not in {project}, which is uploaded: call the command in its folder.")
            job_file = file.relative_to(project).as_posix()
            files[job_file] = file
        if (total := sum(file.stat().st_size for file in files.values())) > MAX_CODE_BYTES:
            raise ClusterError(
                f"The files in {project} have {size(total)}, and a cluster accepts {size(MAX_CODE_BYTES)}. List in "
                ".gitignore what a study does not need."
            )
        # Unchanged files make the same bytes, which are not uploaded again.
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
            for path in sorted(files):
                archive.write(files[path], path)
    except (OSError, UnicodeEncodeError) as error:
        raise ClusterError(f"A file cannot be uploaded: {error}. List it in .gitignore.") from None
    return buffer.getvalue(), f"{job_file}{name}"
