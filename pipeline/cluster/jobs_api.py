"""Studies on a Ray cluster, by the Jobs API of its dashboard.

Ray's own client has no time-out, so that it waits forever for a lost cluster; it sends a token only with RAY_AUTH_MODE
and lets ~/.netrc replace it; and importing it takes longer than these commands do.
"""

import os
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import websocket

from pipeline.cluster.submissions import (
    DRIVER_ENVIRONMENT,
    Submission,
    find,
    find_one,
    submit_once,
    submitter,
    without_slash,
)
from pipeline.errors import ClusterError, Interrupted, UsageError

POLL_SECONDS = 1.0
SILENT_SECONDS = 30.0
"""How long a cluster may be unreachable before its study is no longer followed."""
_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 60.0
_UPLOAD_SECONDS = 600.0
_GATEWAY = (502, 503, 504)
"""Answers of a gateway, such as an Ingress, in front of a cluster that does not answer."""
_MAX_CHARACTERS = 600


class Unreachable(ClusterError):
    """The cluster does not answer; a later request may succeed."""


class JobsApi:
    """The Jobs API of one cluster."""

    def __init__(self, address: str) -> None:
        self.address, host = _address(address)
        self.where = f"on {self.address}"
        self._token = _token()
        self._session = requests.Session()
        # As authentication rather than as a header, which ~/.netrc would replace.
        self._session.auth = self._authenticate
        # A proxy does not reach this machine.
        self._proxies = {"no_proxy": host} if host in ("localhost", "127.0.0.1", "::1") else None

    @property
    def options(self) -> str:
        """The options by which a command finds this cluster."""
        return f"--address {self.address}"

    def find(self, name: str, storage: str | None = None) -> Submission:
        """A submission by its own name; or else that of the study of that name: the one that runs, else the newest."""
        return find_one(name, self.submissions(), self.where, storage)

    def submissions(self, name: str | None = None) -> Sequence[Submission]:
        """All submissions of tunepipe that the cluster knows, or those that a name means, the oldest first."""
        answer = self._request("GET", "/api/jobs/")
        jobs = self._json(answer, list)
        if not all(isinstance(each, dict) for each in jobs):
            raise self._other_server(answer)
        ours = [_submission(each) for each in jobs if (each.get("metadata") or {}).get("tunepipe_study")]
        ours.sort(key=lambda each: (each.started or datetime.max.replace(tzinfo=UTC), each.name))
        return ours if name is None else find(name, ours, self.where)

    def submit(
        self, job: str, study: str, storage: str, options: Sequence[str], project: Path
    ) -> tuple[Submission, bool]:
        """Start a study, or attach to it; returns its submission, and whether it ran already."""
        from pipeline.cluster.code_package import package

        def create(number: int) -> Submission | str:
            code, name = package(project, job), f"{study}-{number}"
            path = f"/api/packages/gcs/{code.name}"
            if self._request("GET", path, allowed=(404,)).status_code == 404:
                self._request("PUT", path, data=code.content, timeout=_UPLOAD_SECONDS)
            words = ["python", "-m", "pipeline.cli.app", "run", code.job, "--resume", "--storage", storage, *options]
            body = {
                "submission_id": name,
                "entrypoint": shlex.join(words),
                "runtime_env": {"working_dir": f"gcs://{code.name}", "env_vars": DRIVER_ENVIRONMENT},
                "metadata": {
                    "tunepipe_study": study, "tunepipe_storage": storage, "tunepipe_submitter": submitter(),
                },
            }  # fmt: skip
            answer = self._request("POST", "/api/jobs/", json=body, allowed=(500,))
            if answer.status_code == 500 and "already exists" not in answer.text:
                raise self._refusal(answer)
            return name if answer.status_code == 500 else Submission(name, study, storage, "PENDING")

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
        return self._log(found.name)

    def _log(self, name: str) -> str:
        return str(self._json(self._request("GET", f"/api/jobs/{name}/logs"), dict).get("logs") or "")

    def follow(self, name: str) -> Iterator[str]:
        """What a submission's driver prints, as it comes, until it has ended."""
        printed, answered_at = 0, time.monotonic()
        while True:
            try:
                has_ended, seen = self.submission(name).has_ended, 0
                for text in [self._log(name)] if has_ended else self._tail(name):
                    # A new connection to the log starts at its beginning.
                    if new := text[max(printed - seen, 0) :]:
                        yield new
                    seen += len(text)
                    printed = max(printed, seen)
                answered_at = time.monotonic()
                if has_ended:
                    return
            except Unreachable:
                if time.monotonic() - answered_at > SILENT_SECONDS:
                    raise ClusterError(
                        f"{self.address} has not answered for {SILENT_SECONDS:.0f} s. If its head node is lost, the "
                        "study's driver is lost, too, but all records are kept: `tunepipe submit` with the same "
                        "storage resumes the study, or attaches to it if only the connection was lost."
                    ) from None
            time.sleep(POLL_SECONDS)

    def submission(self, name: str) -> Submission:
        """A submission as it is now."""
        answer = self._request("GET", f"/api/jobs/{name}", allowed=(404,))
        if answer.status_code == 404:
            raise ClusterError(
                f"The submission {name!r} is gone: {self.address} was restarted. All records are kept; `tunepipe "
                "submit` with the same storage resumes the study."
            )
        return _submission(self._json(answer, dict))

    def exit_code(self, name: str) -> int:
        """The exit code of an ended submission's `tunepipe run`."""
        ended = self.submission(name)
        if ended.state == "STOPPED":
            return Interrupted.exit_code
        if ended.exit_code is not None or ended.state == "SUCCEEDED":
            return ended.exit_code or 0
        message = " ".join(ended.message.split())[:_MAX_CHARACTERS]
        raise ClusterError(
            f"The submission {name!r} ended before its study did: {message} All records are kept: `tunepipe submit` "
            "with the same storage resumes the study."
        )

    def _tail(self, name: str) -> Iterator[str]:
        """The log of a driver, until the server closes the connection."""
        # Websockets do not read REQUESTS_CA_BUNDLE by themselves.
        verify = self._session.merge_environment_settings(self.address, {}, None, None, None)["verify"]
        try:
            connection = websocket.create_connection(
                f"{self.address.replace('http', 'ws', 1)}/api/jobs/{name}/logs/tail",
                timeout=_CONNECT_SECONDS,
                header=[f"Authorization: Bearer {self._token}"] if self._token else [],
                sslopt={"ca_cert_path" if Path(verify).is_dir() else "ca_certs": verify}
                if isinstance(verify, str)
                else {},
            )
        except (websocket.WebSocketException, OSError) as error:
            raise Unreachable(_reason(error)) from None
        try:
            connection.settimeout(SILENT_SECONDS)
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
            raise Unreachable(
                f"{self.address} cannot be reached: {_reason(error)}. Is the cluster up, and is this the address of "
                "its dashboard? From outside Kubernetes, `kubectl port-forward service/NAME-head-svc 8265` is needed."
            ) from None
        if answer.status_code in _GATEWAY:
            raise Unreachable(f"{self.address} cannot be reached: a gateway answers with HTTP {answer.status_code}.")
        if not answer.ok and answer.status_code not in allowed:
            raise self._refusal(answer)
        return answer

    def _refusal(self, answer: requests.Response) -> ClusterError:
        message, status = " ".join(answer.text.split())[-_MAX_CHARACTERS:], answer.status_code
        if status == 401 and not self._token:
            return ClusterError(
                f"{self.address} requires a token, and none was given. Put it into RAY_AUTH_TOKEN, into a file that "
                "RAY_AUTH_TOKEN_PATH names, or into ~/.ray/auth_token."
            )
        if status in (401, 403):
            return ClusterError(
                f"{self.address} refuses {'the token' if self._token else 'requests without a token'}: {message}. It "
                "must be the one that the cluster was started with, in RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or "
                "~/.ray/auth_token."
            )
        if status == 404 or 300 <= status < 400:
            return self._other_server(answer)
        return ClusterError(f"{self.address} refused {answer.request.method} {answer.request.path_url}: {message}")

    def _json(self, answer: requests.Response, kind: type[Any]) -> Any:
        try:
            value = answer.json()
        except requests.JSONDecodeError:
            value = None
        if not isinstance(value, kind):
            raise self._other_server(answer)
        return value

    def _other_server(self, answer: requests.Response) -> ClusterError:
        return ClusterError(
            f"{self.address} answers, but is not a Ray dashboard with the Jobs API (HTTP {answer.status_code}). "
            "Check the address; the head needs ray[default]."
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
        submitter=metadata.get("tunepipe_submitter"),
    )


def _token() -> str | None:
    """The token of a Ray cluster, from the places where Ray reads it; None if there is none."""
    token, where = os.environ.get("RAY_AUTH_TOKEN", "").strip(), "RAY_AUTH_TOKEN"
    if not token and (named := os.environ.get("RAY_AUTH_TOKEN_PATH")):
        where = f"The file {named}, which RAY_AUTH_TOKEN_PATH names,"
        try:
            token = Path(named).read_text(errors="replace").strip()
        except OSError as error:
            raise ClusterError(f"{where} cannot be read: {error.strerror}.") from None
    elif not token:
        where = "The file ~/.ray/auth_token"
        try:
            token = Path("~/.ray/auth_token").expanduser().read_text(errors="replace").strip()
        except (OSError, RuntimeError):  # a container's user that is only a number has no home
            return None
    if not (token.isascii() and token.isprintable()):
        raise ClusterError(f"{where} has no token: it must be one line of ASCII characters.")
    return token or None


def _address(address: str) -> tuple[str, str]:
    """The address of a dashboard without a slash at its end, and its host."""
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        # The port is read, and refused, only where it is asked for.
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise UsageError(
            f"{address!r} is not the address of a Ray dashboard, such as http://HOST:8265. An address of Ray itself "
            "(HOST:6379) is for `tunepipe run --address`."
        )
    if parts.username is not None:
        raise UsageError(
            "The address of a Ray dashboard must have no user and no password, which tunepipe would print. Put the "
            "token into RAY_AUTH_TOKEN."
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}", str(parts.hostname)


def _reason(error: BaseException) -> str:
    """The innermost cause, which is the one that the user can act on."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return str(getattr(error, "strerror", None) or error).rstrip(".")
