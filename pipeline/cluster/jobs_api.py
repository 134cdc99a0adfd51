"""Ray's Jobs API over plain HTTP, so that commands about submissions need not import Ray.

Ray's own client is part of the package `ray`, which takes seconds to import. The API is
seven requests: https://docs.ray.io/en/latest/cluster/running-applications/job-submission/rest.html
"""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import websocket

from pipeline.errors import ClusterError, JobNotFound, UsageError

__all__ = ["ENDED", "JobsApi", "Submission"]

ENDED = ("SUCCEEDED", "FAILED", "STOPPED")
"""States that a submission does not leave."""

_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 60.0
_UPLOAD_SECONDS = 600.0
_POLL_SECONDS = 1.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_SILENT_SECONDS = 30.0
"""How long a cluster may be unreachable before `follow` gives up."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A job of the Jobs API, or a RayJob, that tunepipe has started.

    Args:
        name: Its id on the cluster.
        study: The study's name.
        storage: The study's storage, as the cluster sees it.
        state: PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED; of a RayJob, KubeRay's state.
        message: The cluster's explanation of the state.
        exit_code: The exit code of `tunepipe run`; None while it runs, and if the cluster lost it.
        started: When it was submitted; None if the cluster does not say.
        submitter: The user and the machine that have submitted it; None if it does not say.
    """

    name: str
    study: str
    storage: str
    state: str
    message: str
    exit_code: int | None
    started: datetime | None
    submitter: str | None = None


class JobsApi:
    """The Jobs API of one cluster.

    Args:
        address: The address of the dashboard: http://HOST:8265 or https://….

    Raises:
        UsageError: It is not such an address.
    """

    def __init__(self, address: str) -> None:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(
                f"{address!r} is not the address of a Ray dashboard, such as http://HOST:8265. An address of "
                "Ray itself (HOST:6379) is for `tunepipe run --address`."
            )
        self.address = f"{parts.scheme}://{parts.netloc}"
        self._token = _token()
        self._session = requests.Session()
        self._session.auth = self._authenticate
        # A proxy does not reach this machine: neither a forwarded port, nor the dashboard of a head from its driver.
        self._proxies = {"no_proxy": parts.hostname} if parts.hostname in _LOOPBACK else None

    def submissions(self) -> list[Submission]:
        """All submissions of tunepipe that the cluster knows, the oldest first."""
        jobs = self._request("GET", "/api/jobs/").json()
        ours = [_submission(job) for job in jobs if (job.get("metadata") or {}).get("tunepipe_study")]
        return sorted(ours, key=lambda each: (each.started or datetime.max.replace(tzinfo=UTC), each.name))

    def submission(self, name: str) -> Submission:
        """A submission by its own name, or the newest one of a study of that name.

        Args:
            name: The name of a submission or of a study.

        Raises:
            JobNotFound: There is none; the message lists the existing ones.
        """
        known = self.submissions()
        matches = [each for each in known if each.name == name] or [each for each in known if each.study == name]
        if matches:
            return matches[-1]
        existing = f"There are {', '.join(each.name for each in known)}" if known else "There are none"
        raise JobNotFound(
            f"There is no submission {name!r} on {self.address}. {existing}. A restarted cluster loses "
            "its list of submissions: `tunepipe submit` with the same storage resumes the study."
        )

    def upload(self, name: str, content: bytes) -> str:
        """Upload a package, unless the cluster has it.

        Args:
            name: Its file name, which contains a digest of its content.
            content: The zip archive.

        Returns:
            Its URI on the cluster.
        """
        path = f"/api/packages/gcs/{name}"
        if self._request("GET", path, allowed=(404,)).status_code == 404:
            self._request("PUT", path, data=content, timeout=_UPLOAD_SECONDS)
        return f"gcs://{name}"

    def submit(self, name: str, entrypoint: str, runtime_env: Mapping[str, Any], metadata: Mapping[str, str]) -> bool:
        """Start a job.

        Args:
            name: The id of the new job.
            entrypoint: Its shell command.
            runtime_env: Its working_dir and env_vars.
            metadata: Text values by key, which the cluster keeps with the job.

        Returns:
            Whether it was started; False if the name is taken.

        Raises:
            ClusterError: The cluster refuses.
        """
        body = {
            "submission_id": name,
            "entrypoint": entrypoint,
            "runtime_env": dict(runtime_env),
            "metadata": dict(metadata),
        }
        answer = self._request("POST", "/api/jobs/", json=body, allowed=(500,))
        if answer.status_code == 500:
            if "already exists" in answer.text:
                return False
            raise self._refusal(answer)
        return True

    def stop(self, name: str) -> None:
        """Ask a submission's driver to end: it pauses its trials and completes the tables.

        Args:
            name: The submission.
        """
        self._request("POST", f"/api/jobs/{name}/stop")

    def logs(self, name: str) -> str:
        """What a submission's driver has printed so far.

        Args:
            name: The submission.
        """
        return str(self._request("GET", f"/api/jobs/{name}/logs").json().get("logs") or "")

    def follow(self, name: str) -> Iterator[str]:
        """What a submission's driver prints, as it comes, until it has ended.

        Args:
            name: The submission.

        Raises:
            ClusterError: The cluster does not answer any more, or was restarted.
        """
        printed, answered_at = 0, time.monotonic()
        while True:
            try:
                ended, seen = self._state(name) in ENDED, 0
                for text in [self.logs(name)] if ended else self._tail(name):
                    # A new connection to the log starts at its beginning.
                    if new := text[max(printed - seen, 0) :]:
                        yield new
                    seen += len(text)
                    printed = max(printed, seen)
                answered_at = time.monotonic()
            except _Unreachable:
                if time.monotonic() - answered_at > _SILENT_SECONDS:
                    raise ClusterError(
                        f"{self.address} has not answered for {_SILENT_SECONDS:.0f} s. If its head node is lost, the "
                        "study's driver is lost, too, but all records are kept: when the cluster runs again, `tunepipe "
                        "submit` with the same storage resumes the study. If only the connection is lost, it attaches "
                        "to the running study."
                    ) from None
                ended = False
            if ended:
                return
            time.sleep(_POLL_SECONDS)

    def _state(self, name: str) -> str:
        answer = self._request("GET", f"/api/jobs/{name}", allowed=(404,))
        if answer.status_code == 404:
            raise ClusterError(
                f"The submission {name!r} is gone: {self.address} was restarted. All records are kept; `tunepipe "
                "submit` with the same storage resumes the study."
            )
        return str(answer.json()["status"])

    def _tail(self, name: str) -> Iterator[str]:
        """The text of one websocket, which the server closes when the driver ends."""
        url = f"{self.address.replace('http', 'ws', 1)}/api/jobs/{name}/logs/tail"
        headers = [f"Authorization: Bearer {self._token}"] if self._token else []
        try:
            connection = websocket.create_connection(url, timeout=_CONNECT_SECONDS, header=headers)
        except (websocket.WebSocketException, OSError) as error:
            raise _Unreachable(_reason(error)) from None
        try:
            connection.settimeout(_SILENT_SECONDS)
            while text := connection.recv():
                yield text if isinstance(text, str) else text.decode(errors="replace")
        except (websocket.WebSocketException, OSError):
            return
        finally:
            connection.close()

    def _request(
        self, method: str, path: str, *, allowed: tuple[int, ...] = (), timeout: float = _ANSWER_SECONDS, **body: Any
    ) -> requests.Response:
        try:
            answer = self._session.request(
                method, self.address + path, timeout=(_CONNECT_SECONDS, timeout), allow_redirects=False,
                proxies=self._proxies, **body,
            )  # fmt: skip
        except requests.RequestException as error:
            raise _Unreachable(
                f"{self.address} cannot be reached: {_reason(error)}. Is the cluster up, and is this the address of "
                "its dashboard? From outside Kubernetes, `kubectl port-forward service/NAME-head-svc 8265` is needed."
            ) from None
        if answer.ok or answer.status_code in allowed:
            return answer
        raise self._refusal(answer)

    def _refusal(self, answer: requests.Response) -> ClusterError:
        message = " ".join(answer.text.split())[-300:]
        if answer.status_code == 401:
            return ClusterError(
                f"{self.address} requires a token, and none was given. Put it into RAY_AUTH_TOKEN, into a file that "
                "RAY_AUTH_TOKEN_PATH names, or into ~/.ray/auth_token."
            )
        if answer.status_code == 403:
            return ClusterError(
                f"{self.address} refuses {'the token' if self._token else 'requests without a token'}: {message}. It "
                "must be the one that the cluster was started with (RAY_AUTH_TOKEN, "
                "RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token)."
            )
        if answer.status_code == 404 or 300 <= answer.status_code < 400:
            return ClusterError(
                f"{self.address} answers, but is not a Ray dashboard with the Jobs API (HTTP {answer.status_code}). "
                "Check the address; the head needs ray[default]."
            )
        return ClusterError(f"{self.address} refused {answer.request.method} {answer.request.path_url}: {message}")

    def _authenticate(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # As authentication rather than as a header: ~/.netrc would replace a header.
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _Unreachable(ClusterError):
    """The cluster does not answer; a later request may succeed."""


def _token() -> str | None:
    """The token, from the places where Ray reads it."""
    if token := os.environ.get("RAY_AUTH_TOKEN"):
        return token.strip()
    file = os.environ.get("RAY_AUTH_TOKEN_PATH")
    path = Path(file) if file else Path.home() / ".ray/auth_token"
    try:
        return path.read_text().strip() or None
    except OSError as error:
        if file:
            raise ClusterError(
                f"The file {file}, which RAY_AUTH_TOKEN_PATH names, cannot be read: {error.strerror}."
            ) from None
        return None


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


def _reason(error: BaseException) -> str:
    """The innermost cause, which is the one that the user can act on."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    text = getattr(error, "strerror", None) or str(error)
    return str(text).rstrip(".")
