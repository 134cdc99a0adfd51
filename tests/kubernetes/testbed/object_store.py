"""An S3 server in the room. Pods get keys by their service account, as from EKS Pod Identity, or from a Secret.

The server answers requests that are signed with a key which it knows, and does not check the signature itself. It is
reached on a port by this machine and by pods, without TLS, or with a certificate that the test bed's authority has
signed. The agent, on the address and port of EKS Pod Identity, exchanges the token of a service account, which it has
reviewed by the API server, for keys that the server knows.
"""

import json
import re
import secrets
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.request import Request, urlopen

from tests.json_handler import JsonHandler
from tests.kubernetes.testbed.certificates import AUTHORITY, FOLDER, certificate
from tests.kubernetes.testbed.control_plane import answers
from tests.kubernetes.testbed.place import BED, HERE, KUBECONFIG, Addresses
from tests.kubernetes.testbed.room import call, inside, runs, start, stop

AUDIENCE = "pods.eks.amazonaws.com"
"""For whom tokens are, as EKS names it."""

KEYS = {"AWS_ACCESS_KEY_ID": "laptop", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"}
"""A user's environment on a laptop; pods have such variables only from a Secret."""

_ACCOUNT = "system:serviceaccount:tunepipe:tunepipe-storage"
_NAME = "object-store"
_AGENT = "169.254.170.23"
_EXCHANGED = BED / "log/exchanged.jsonl"
_KEY = re.compile(r"Credential=([^/]+)/")


def start_object_store(scheme: str = "http", port: int = 443) -> None:
    """Start the server, with a bucket named `bucket`, and the agent."""
    _EXCHANGED.unlink(missing_ok=True)
    subprocess.run(inside("ip", "address", "add", f"{_AGENT}/32", "dev", "lo"), check=False, capture_output=True)
    program = ("-m", "tests.kubernetes.testbed.object_store", scheme, str(port))
    certificate(_NAME, _NAME, alternatives=f"IP:{Addresses.OUTSIDE}")
    here = f"PYTHONPATH={HERE.parents[2]}"
    start(_NAME, "env", here, sys.executable, *program, ready=lambda: answers(f"http://{_AGENT}/healthz"))
    headers = {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={KEYS['AWS_ACCESS_KEY_ID']}/20260101/us-east-1/s3/aws4_request"
    }
    trusted = ssl.create_default_context(cafile=str(AUTHORITY))
    bucket = Request(f"{scheme}://{Addresses.OUTSIDE}:{port}/bucket", method="PUT", headers=headers)
    urlopen(bucket, context=trusted).close()


def stop_object_store() -> None:
    """End both, also after a start that failed halfway."""
    if runs(_NAME):
        stop(_NAME)
    subprocess.run(inside("ip", "address", "del", f"{_AGENT}/32", "dev", "lo"), check=False, capture_output=True)


@contextmanager
def unreachable_object_store() -> Iterator[None]:
    """The server as if it had ended: new connections are refused, and it keeps none open; its content stays."""
    # Before the rules of network policies, which are written again when pods come and go. Nothing listens on port 9.
    rule = ("PREROUTING", "-p", "tcp", "-d", Addresses.OUTSIDE, "--dport", "443", "-j", "REDIRECT", "--to-ports", "9")
    call(*inside("iptables", "-t", "nat", "-I", *rule))
    try:
        yield
    finally:
        call(*inside("iptables", "-t", "nat", "-D", *rule))


def storage_uri(path: str, scheme: str = "http", port: int = 443) -> str:
    """The URI of a path in the bucket, for pods and for this machine."""
    return f"s3://bucket/{path}?endpoint_override={Addresses.OUTSIDE}:{port}&scheme={scheme}&region=us-east-1"


def exchanged() -> list[str]:
    """The pods whose tokens were exchanged for keys, in order."""
    return [json.loads(line)["pod"] for line in _EXCHANGED.read_text().splitlines()] if _EXCHANGED.exists() else []


def _serve(scheme: str, port: int) -> None:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    tokens: dict[str, str | None] = {KEYS["AWS_ACCESS_KEY_ID"]: None}
    """Known keys, and the session token that a request has with each."""
    answer = DomainDispatcherApplication(create_backend_app)

    def admitting(environ: dict[str, Any], begin: Any) -> Iterable[bytes]:
        signed = _KEY.search(environ.get("HTTP_AUTHORIZATION", ""))
        beside = environ.get("HTTP_X_AMZ_SECURITY_TOKEN")
        if signed is None or signed[1] not in tokens or tokens[signed[1]] != beside:
            begin("403 Forbidden", [("Content-Type", "application/xml")])
            return [b"<Error><Code>AccessDenied</Code><Message>unknown key</Message></Error>"]
        return answer(environ, begin)  # type: ignore[no-any-return]

    reviewed = _reviewer()
    own = (str(FOLDER / f"{_NAME}.crt"), str(FOLDER / f"{_NAME}.key")) if scheme == "https" else None
    handler = MotoRequestHandler
    server = make_server(Addresses.OUTSIDE, port, admitting, threaded=True, request_handler=handler, ssl_context=own)
    Thread(target=server.serve_forever, daemon=True).start()

    class Agent(JsonHandler, BaseHTTPRequestHandler):
        """Exchanges tokens for keys."""

        def do_GET(self) -> None:
            """Keys for the pod whose token this is."""
            self.answer(*((200, {}) if self.path == "/healthz" else self._keys()))

        def _keys(self) -> tuple[int, dict[str, str]]:
            found = reviewed(self.headers.get("Authorization", ""))
            if not found.get("authenticated") or found["user"]["username"] != _ACCOUNT:
                return 403, {"message": f"no keys for {found.get('user')}"}
            pod = found["user"]["extra"]["authentication.kubernetes.io/pod-name"][0]
            with _EXCHANGED.open("a") as file:
                file.write(json.dumps({"pod": pod}) + "\n")
            key, token = f"ASIA{secrets.token_hex(8).upper()}", secrets.token_urlsafe(60)
            tokens[key] = token
            expiration = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
            secret = secrets.token_urlsafe(30)
            return 200, {"AccessKeyId": key, "SecretAccessKey": secret, "Token": token, "Expiration": expiration}

    ThreadingHTTPServer((_AGENT, 80), Agent).serve_forever()


def _reviewer() -> Callable[[str], dict[str, Any]]:
    """What the API server knows of a token for AUDIENCE; clients wait for the agent for a second only."""
    from kubernetes import client, config

    api = client.AuthenticationV1Api(config.new_client_from_config(str(KUBECONFIG)))

    def reviewed(token: str) -> dict[str, Any]:
        review = client.V1TokenReview(spec=client.V1TokenReviewSpec(token=token, audiences=[AUDIENCE]))
        status: dict[str, Any] = api.create_token_review(review).status.to_dict()
        return status

    return reviewed


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]))
