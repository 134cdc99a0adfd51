"""The requests to a Kubernetes API server about RayJobs and what belongs to them, with errors that a user can act on.

Objects are dictionaries with Kubernetes' own names.
"""

import ast
import json
import logging
import os
import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError
from yaml import YAMLError

from pipeline.cluster.submissions import QUEUE_LABEL, STUDY_LABEL
from pipeline.errors import ClusterError

if TYPE_CHECKING:
    from pipeline.cluster.rayjob import Manifests


POLL_SECONDS = 2.0
SILENT_SECONDS = 45.0
"""A server that is busy, or is being updated, answers by then; a running operator has updated a new RayJob."""
ANSWER_SECONDS = (10.0, 60.0)
"""To connect, and between two parts of an answer. A connection that is lost without a reset stays open forever."""

_RAYJOBS = {"group": "ray.io", "version": "v1", "plural": "rayjobs"}
_KUEUE = {"group": "kueue.x-k8s.io", "version": "v1beta2"}
_MARK_ANNOTATION = "tunepipe/submission"
"""A random number of the call that has created a RayJob, by which the call recognises it."""
_IN_POD = "KUBERNETES_SERVICE_HOST"
_WEB_PAGE = "the server answers with a web page. Is --context the right one, and is its login still valid?"
_SAID = re.compile(r'"message":\s*("(?:[^"\\]|\\.)*")')
"""The message of a Status, which a client may have cut or put into other text."""

_ADVICE = (
    (404, "namespaces", "There is no such namespace: `kubectl apply -k` with an overlay's foundation/ creates it."),
    (404, "rayjobs", "It was deleted. The study's records are kept, and a new submission resumes it."),
    (404, "page not found", "Install the KubeRay operator with its definitions (Helm chart kuberay-operator)."),
    (400, "unknown field", "The KubeRay definitions there are too old for the overlay: update them."),
    (401, "", "The credentials of the kubeconfig may have expired: renew them. Studies that were submitted continue."),
    (403, "system:anonymous", "The kubeconfig has given no credentials: log in, or choose another --context."),
    (0, "denied the request|denied request|exceeded quota", "Change the overlay, or ask the namespace's owner."),
    (
        403,
        "cannot [a-z]+ resource",
        "Either there is no such namespace, or you do not have the role tunepipe-submitter of the overlay's "
        "foundation/, which has the required permissions.",
    ),
)
"""For a status (0 for any) and a pattern of the server's message: what to do."""


class ServerUnavailable(ClusterError):
    """The server could not answer now; the same request may succeed later."""


class Unauthorized(ClusterError):
    """The server does not accept the credentials; others, or the same ones renewed, may do."""


class Gone(ClusterError):
    """There is no such object."""


class Kubernetes:
    """One namespace of one Kubernetes cluster."""

    def __init__(self, context: str | None, namespace: str) -> None:
        self._context, self.namespace = context, namespace
        self.where = f"in namespace {namespace!r}"
        self.connect()

    def connect(self) -> None:
        """Read the credentials again: those of the last time may have expired, or have been renewed since."""
        api = api_client(self._context)
        self._objects, self.core = client.CustomObjectsApi(api), client.CoreV1Api(api)

    @property
    def options(self) -> str:
        """The options by which a command finds the RayJobs of this namespace."""
        context = f" --context {shlex.quote(self._context)}" if self._context else ""
        return f"--kubernetes{context} --namespace {self.namespace}"

    def jobs(self, label: str | None = None) -> list[dict[str, Any]]:
        """The RayJobs of all studies or of those with a label, the oldest first."""
        selector = STUDY_LABEL if label is None else f"{STUDY_LABEL}={label}"
        items = self.ask(
            "list RayJobs", self._objects.list_namespaced_custom_object, **_RAYJOBS, label_selector=selector
        )["items"]
        return sorted(items, key=lambda each: str(each["metadata"]["creationTimestamp"]))

    def job(self, name: str) -> dict[str, Any]:
        """A RayJob as it is now."""
        job: dict[str, Any] = self.ask(
            f"read the RayJob {name}", self._objects.get_namespaced_custom_object, **_RAYJOBS, name=name
        )
        return job

    def exists(self, name: str) -> bool:
        """Whether a RayJob exists, or the server does not say that it does not."""
        try:
            self.job(name)
        except Gone:
            return False
        except ClusterError:
            pass
        return True

    def create(self, manifests: "Manifests") -> dict[str, Any] | None:
        """Create what a study needs; None if there is a RayJob of that name. The server validates every field."""
        self._check_queue(manifests.job)
        metadata, mark = manifests.job["metadata"], uuid4().hex
        annotations = {**metadata.get("annotations", {}), _MARK_ANNOTATION: mark}
        body = {**manifests.job, "metadata": {**metadata, "annotations": annotations}}

        def own() -> dict[str, Any] | None:
            try:
                job = self.job(metadata["name"])
            except Gone:
                return None
            return job if job["metadata"].get("annotations", {}).get(_MARK_ANNOTATION) == mark else None

        def create_job() -> dict[str, Any] | None:
            try:
                return self.ask(  # type: ignore[no-any-return]
                    "create the RayJob", self._objects.create_namespaced_custom_object, **_RAYJOBS, body=body,
                    field_validation="Strict",
                )  # fmt: skip
            except _Exists:
                # The answer to an earlier request may have been lost.
                return own()

        created: dict[str, Any] | None = None
        try:
            if (created := _retried(create_job)) is None:
                return None
            if manifests.file is not None:
                owner = {key: created[key] for key in ("apiVersion", "kind")}
                owner |= {key: created["metadata"][key] for key in ("name", "uid")}
                file = {**manifests.file, "metadata": {**manifests.file["metadata"], "ownerReferences": [owner]}}
                action = "create the ConfigMap of the job file"
                # That of a RayJob of this name which was just deleted is deleted after it.
                _retried(lambda: self.ask(action, self.core.create_namespaced_config_map, body=file), taken=True)
        except BaseException:
            # The RayJob would wait forever for the file, and the next submission would attach to it.
            with suppress(ClusterError):
                if created is not None or own() is not None:
                    self.delete(metadata["name"])
            raise
        return dict(created)

    def delete(self, name: str, *, wait: bool = True) -> None:
        """Delete a RayJob with all that was created for it; the operator asks its driver to end first."""
        self.ask("delete the RayJob", self._objects.delete_namespaced_custom_object, **_RAYJOBS, name=name)
        end = time.monotonic() + SILENT_SECONDS
        while wait and self.exists(name):
            if time.monotonic() > end:
                raise ClusterError(
                    f"The RayJob {name!r} still exists {SILENT_SECONDS:.0f} s after it was marked for deletion: the "
                    "KubeRay operator, which ends its driver first, does not run. The RayJob will be deleted when the "
                    "operator runs again."
                )
            time.sleep(POLL_SECONDS)

    def pods(self, name: str, job: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The pods of a RayJob: those that submit, the oldest first, and those of its cluster."""
        selectors = [f"job-name={name}"]
        if cluster := (job.get("status") or {}).get("rayClusterName"):
            selectors.append(f"ray.io/cluster={cluster}")
        found = []
        for selector in selectors:
            pods = self.ask("list pods", self.core.list_namespaced_pod, label_selector=selector)["items"]
            found += sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp") or ""))
        return found

    def warnings(self) -> list[dict[str, Any]]:
        """Events about what goes wrong in the namespace; none without the right to list them."""
        # The operator reports pods that it deletes as normal events.
        selectors = ("type=Warning", "reason=DeletedHeadPod", "reason=DeletedWorkerPod")
        with _without_rights():
            request = self.core.list_namespaced_event
            return [each for one in selectors for each in self.ask("list events", request, field_selector=one)["items"]]
        return []

    def kueue(self, plural: str) -> list[dict[str, Any]] | None:
        """Objects of Kueue; None without the right to list them, and with another version of Kueue."""
        with _without_rights():
            listing = self.ask(
                f"list Kueue's {plural}", self._objects.list_namespaced_custom_object, **_KUEUE, plural=plural
            )
            return list(listing["items"])
        return None

    def log(
        self, pod: Mapping[str, Any], container: str, *, lines: int | None = None, seconds: int | None = None,
        times: bool = False,
    ) -> str:  # fmt: skip
        """The log of a container; empty before it starts and once its pod is deleted, as those of an attempt are."""
        named = [each["name"] for each in pod["spec"]["containers"] if each["name"] == container]
        wanted = {"container": named[0] if named else None, "tail_lines": lines, "since_seconds": seconds}
        given = {name: value for name, value in wanted.items() if value is not None}
        request = self.core.read_namespaced_pod_log
        try:
            content = self._send("read logs", request, name=pod["metadata"]["name"], timestamps=times, **given)
        except (Gone, _NotStarted):
            return ""
        return content.decode(errors="replace")

    def ask(self, action: str, request: Callable[..., Any], **fields: Any) -> Any:
        """The object that the server answers to a request about the namespace."""
        return json.loads(self._send(action, request, **fields))

    def _send(self, action: str, request: Callable[..., Any], **fields: Any) -> bytes:
        with translated_errors(action):
            answer = request(
                namespace=self.namespace, **fields, _preload_content=False, _request_timeout=ANSWER_SECONDS
            )
            # A gateway that wants a new login leads to its own page.
            if "html" in (answer.headers.get("Content-Type") or ""):
                raise ApiException(status=answer.status, reason=_WEB_PAGE)
            return bytes(answer.data)

    def _check_queue(self, job: Mapping[str, Any]) -> None:
        queue = job["metadata"]["labels"].get(QUEUE_LABEL)
        queues = None if queue is None else self.kueue("localqueues")
        names = sorted(each["metadata"]["name"] for each in queues or ())
        if queues is not None and queue not in names:
            there = f"Available: {', '.join(names)}; --queue names one." if names else "There are none."
            raise ClusterError(
                f"There is no LocalQueue {queue!r} in the namespace {self.namespace!r}. {there} The component "
                "kueue/queue creates one."
            )


class _Exists(ClusterError):
    """There is an object of that name."""


class _Contended(ClusterError):
    """Another request has changed a quota at the same time."""


class _NotStarted(ClusterError):
    """A container has no log yet."""


def _retried(create: Callable[[], Any], *, taken: bool = False) -> Any:
    """What a request creates, which is sent again while the server is busy and, where asked, a name is taken."""
    end = time.monotonic() + SILENT_SECONDS
    while True:
        try:
            return create()
        except (ServerUnavailable, _Contended, _Exists) as error:
            if time.monotonic() > end or (isinstance(error, _Exists) and not taken):
                raise
        time.sleep(POLL_SECONDS)


@contextmanager
def _without_rights() -> Iterator[None]:
    """Leave out what the server refuses to show, but not what it cannot show now."""
    try:
        yield
    except (ServerUnavailable, Unauthorized):
        raise
    except ClusterError:
        pass


@contextmanager
def translated_errors(action: str) -> Iterator[None]:
    """Errors of one request, as ones that say what to do."""
    try:
        yield
    except ApiException as error:
        status, reason, body = error.status or 0, str(error.reason), str(error.body or "")
        # In a request for a connection, the client puts status, headers and body of a refusal into the reason.
        if handshake := re.match(r"Handshake status ((\d{3}) .*?) -\+-\+- .* -\+-\+- (b.*|None)", reason, re.DOTALL):
            status, reason = int(handshake[2]), handshake[1]
            body = (ast.literal_eval(handshake[3]) or b"").decode(errors="replace")
        found = _SAID.search(body)
        said = str(json.loads(found[1], strict=False)) if found else reason
        advice = [one for code, pattern, one in _ADVICE if code in (0, status) and re.search(pattern, said + body)]
        message = ". ".join([" ".join(said.split()).rstrip("."), *advice[:1]])
        raise _kind(status, said)(f"Kubernetes did not {action}: {message}") from None
    except (HTTPError, OSError) as error:
        raise ServerUnavailable(
            f"Kubernetes cannot be reached: {error}. Is the cluster up, and is --context the right one?"
        ) from None


def _kind(status: int, message: str) -> type[ClusterError]:
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= 500:
        return ServerUnavailable
    if status == HTTPStatus.CONFLICT:
        return _Exists if "already exists" in message else _Contended
    if status == HTTPStatus.BAD_REQUEST and "is waiting to start" in message:
        return _NotStarted
    if status == HTTPStatus.NOT_FOUND:
        return Gone
    return Unauthorized if status == HTTPStatus.UNAUTHORIZED else ClusterError


def api_client(context: str | None) -> client.ApiClient:
    """A client with the credentials of the kubeconfig; in a pod without a kubeconfig, with those of its account."""
    settings = client.Configuration()
    # A kept connection may have been closed. Three repetitions, the default, make silence four times as long.
    settings.retries = 1
    logged: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: logged.append(record.getMessage())  # type: ignore[method-assign]
    places = config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION.split(os.pathsep)
    has_kubeconfig = any(os.path.exists(os.path.expanduser(each)) for each in places if each)  # noqa: PTH110, PTH111
    logging.getLogger().addHandler(handler)
    try:
        if context is None and _IN_POD in os.environ and not has_kubeconfig:
            config.load_incluster_config(client_configuration=settings)
        else:
            config.load_kube_config(context=context, client_configuration=settings)
        # Files of tokens often end with a newline. The client would print a token that it cannot send.
        settings.api_key = {name: token.strip() for name, token in settings.api_key.items()}
        if not all(token.isascii() and token.isprintable() for token in settings.api_key.values()):
            raise ConfigException("the token of the kubeconfig is none: it must be one line of ASCII characters")
        # The client logs that a program has given no credentials, and sends requests without any.
        if logged and not settings.api_key and not settings.cert_file:
            # On a terminal, the program prints why, and the client fails as it looks for that text.
            said = "it has failed" if "NoneType" in logged[-1] else " ".join(logged[-1].split()).removeprefix("exec: ")
            raise ConfigException(
                f"the program that the kubeconfig names gave no credentials: {said.rstrip('.')}. Install it, or log in "
                "with it"
            )
        return client.ApiClient(configuration=settings)
    # An HTTPError is that of a service which renews tokens.
    except (ConfigException, YAMLError, OSError, HTTPError) as error:
        reason = str(error)
    except ImportError:
        reason = "the kubeconfig names a SOCKS proxy, which needs a library: `pip install pysocks`"
    # The client does not check what it reads.
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        reason = f"the kubeconfig is not valid ({type(error).__name__}: {error})"
    finally:
        logging.getLogger().removeHandler(handler)
    raise ClusterError(
        f"Kubernetes cannot be used: {reason.rstrip('.')}. KUBECONFIG names the file, --context one of its contexts."
    )
