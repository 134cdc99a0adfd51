"""Studies on a Ray cluster, by the Jobs API of its dashboard.

Ray's own client has no time-out, so that it waits forever for a lost cluster; it sends a token only with RAY_AUTH_MODE
and lets ~/.netrc replace it; and importing it takes longer than these commands do.
"""

import os
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from pipeline.cluster.submissions import (
    DRIVER_COMMAND,
    DRIVER_ENVIRONMENT,
    Submission,
    find,
    find_one,
    submit_once,
    without_slash,
)
from pipeline.errors import ClusterError, Interrupted, UsageError

POLL_SECONDS = 1.0
SILENT_SECONDS = 30.0
"""How long a cluster may be unreachable before its study is no longer followed."""
_CONNECT_SECONDS, _ANSWER_SECONDS, _UPLOAD_SECONDS = 5.0, 60.0, 600.0
_MAX_CHARACTERS = 600
_RESUMES = "All records are kept: `tunepipe submit` with the same storage resumes the study."


class Unreachable(ClusterError):
    """The cluster does not answer; a later request may succeed."""


class JobsApi:
    """The Jobs API of one cluster."""

    def __init__(self, address: str) -> None:
        self.address = _address(address)
        self.where, self.options = f"on {self.address}", f"--address {self.address}"
        self._token = _token()
        self._session = requests.Session()
        # As authentication rather than as a header, which ~/.netrc would replace.
        self._session.auth = self._authenticate
        # No proxy gets the token of a dashboard on this machine.
        self._session.trust_env = urlsplit(self.address).hostname not in ("localhost", "127.0.0.1", "::1")

    def find(self, name: str) -> Submission:
        """A submission by its own name; or else that of the study of that name: the one that runs, else the newest."""
        return find_one(name, self.submissions(), self.where)

    def submissions(self, name: str | None = None) -> Sequence[Submission]:
        """All submissions of tunepipe that the cluster knows, or those that a name means, the oldest first."""
        jobs = [_submission(each) for each in self._json("/api/jobs/", list) if isinstance(each, dict)]
        ours = [each for each in jobs if each.study]
        ours.sort(key=lambda each: (each.started or datetime.max.replace(tzinfo=UTC), each.name))
        return ours if name is None else find(name, ours, self.where)

    def submit(
        self, job: str, study: str, storage: str, options: Sequence[str], project: Path
    ) -> tuple[Submission, bool]:
        """Start a study, or attach to it; returns its submission, and whether it ran already."""
        from pipeline.cluster.code_package import package

        def create(number: int) -> Submission | None:
            code, name = package(project, job), f"{study}-{number}"
            path = f"/api/packages/gcs/{code.name}"
            if not self._request("GET", path, allowed=404).ok:
                self._request("PUT", path, data=code.content, seconds=_UPLOAD_SECONDS)
            body = {
                "submission_id": name,
                "entrypoint": shlex.join([*DRIVER_COMMAND, code.job, "--resume", "--storage", storage, *options]),
                "runtime_env": {"working_dir": f"gcs://{code.name}", "env_vars": DRIVER_ENVIRONMENT},
                "metadata": {"tunepipe_study": study, "tunepipe_storage": storage},
            }
            answer = self._request("POST", "/api/jobs/", json=body, allowed=500)
            if answer.ok:
                return Submission(name, study, storage, "PENDING")
            if "already exists" in answer.text:
                return None
            raise self._refusal(answer)

        def known() -> Sequence[Submission]:
            return [each for each in self.submissions() if each.study == study]

        return submit_once(study, storage, self.where, known, create)

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
                found = self.submission(name)
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

    def submission(self, name: str) -> Submission:
        """A submission as it is now."""
        if (job := self._json(f"/api/jobs/{name}", dict, allowed=404)) is None:
            raise ClusterError(f"The submission {name!r} is gone: {self.address} was restarted. {_RESUMES}")
        return _submission(job)

    def exit_code(self, name: str) -> int:
        """The exit code of an ended submission's `tunepipe run`."""
        ended = self.submission(name)
        if ended.state == "STOPPED":
            return Interrupted.exit_code
        if ended.exit_code is not None or ended.state == "SUCCEEDED":
            return ended.exit_code or 0
        message = " ".join(ended.message.split())[:_MAX_CHARACTERS]
        raise ClusterError(f"The submission {name!r} ended before its study did: {message} {_RESUMES}")

    def _json(self, path: str, kind: type[Any], *, allowed: int = 0) -> Any:
        """What a path answers in JSON; None for the status that is allowed."""
        answer = self._request("GET", path, allowed=allowed)
        if not answer.ok:
            return None
        with suppress(requests.JSONDecodeError):
            if isinstance(value := answer.json(), kind):
                return value
        raise self._refusal(answer)

    def _request(
        self, method: str, path: str, *, allowed: int = 0, seconds: float = _ANSWER_SECONDS, **body: Any
    ) -> requests.Response:
        timeout = (_CONNECT_SECONDS, seconds)
        try:
            answer = self._session.request(method, self.address + path, timeout=timeout, allow_redirects=False, **body)
        except requests.RequestException as error:
            cause: BaseException = error
            while cause.__context__ is not None:
                cause = cause.__context__
            raise Unreachable(
                f"{self.address} cannot be reached: {cause}. Is the cluster up, and is this the address of its "
                "dashboard? From outside Kubernetes, `kubectl port-forward service/NAME-head-svc 8265` is needed."
            ) from None
        if not answer.ok and answer.status_code != allowed:
            raise self._refusal(answer)
        return answer

    def _refusal(self, answer: requests.Response) -> ClusterError:
        status = answer.status_code
        said = f"HTTP {status}: {' '.join(answer.text.split())[-_MAX_CHARACTERS:]}"
        if status >= 500:
            return Unreachable(f"{self.address} cannot answer now ({said}).")
        if status in (401, 403):
            return ClusterError(
                f"{self.address} refuses {'the token' if self._token else 'requests without a token'} ({said}). Put "
                "the token that the cluster was started with into RAY_AUTH_TOKEN, into a file that RAY_AUTH_TOKEN_PATH "
                "names, or into ~/.ray/auth_token."
            )
        return ClusterError(
            f"{self.address} does not answer as a Ray dashboard with the Jobs API ({said}). Check the address; the "
            "head needs ray[default]."
        )

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
    )


def _token() -> str | None:
    """The token of a Ray cluster, from the places where Ray reads it; None if there is none."""
    token, file = os.environ.get("RAY_AUTH_TOKEN", ""), os.environ.get("RAY_AUTH_TOKEN_PATH")
    try:
        token = token.strip() or Path(file or "~/.ray/auth_token").expanduser().read_text(errors="replace").strip()
    except (OSError, RuntimeError) as error:  # a container's user that is only a number has no home
        if file:
            raise ClusterError(f"RAY_AUTH_TOKEN_PATH names a file that cannot be read: {error}.") from None
    if not (token.isascii() and token.isprintable()):
        raise ClusterError("The token of the Ray cluster is not one line of ASCII characters.")
    return token or None


def _address(address: str) -> str:
    """The address of a dashboard without a slash at its end."""
    with suppress(ValueError):
        parts = urlsplit(address if "://" in address else f"http://{address}")
        # The port is read, and refused, only where it is asked for.
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and parts.username is None:
            return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
    # A password would be printed.
    found = "one with a user or a password" if "@" in address else repr(address)
    raise UsageError(
        f"The address of a Ray dashboard must be like http://HOST:8265; found {found}. The token belongs in "
        "RAY_AUTH_TOKEN; an address of Ray itself (HOST:6379) is for `tunepipe run --address`."
    )
