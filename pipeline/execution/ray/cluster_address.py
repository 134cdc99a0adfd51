"""The address of the Ray cluster to join, and whether a cluster answers there: in seconds, where Ray takes a minute."""

import os
import socket
from urllib.parse import urlsplit

from pipeline.errors import ClusterError
from pipeline.execution.ray.internals import local_address

CONNECT_SECONDS = 5.0
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""The first bytes of a client of gRPC, which Ray uses: HTTP/2's preface, and an empty settings frame."""

_FIRST_CALL = "/ray.rpc.NodeInfoGcsService/GetClusterId"
"""The first call of Ray's own client, which no other server of gRPC knows."""

_HEADER = 9
_SETTINGS = 4
"""The header of a server's first frame has nine bytes; the fourth is its type."""


def address_of(address: str | None) -> str | None:
    """The cluster to join: the given address, else RAY_ADDRESS; None if the study starts its own."""
    return address or os.environ.get("RAY_ADDRESS") or None


def check_reachable(address: str) -> None:
    """Make sure that a cluster answers."""
    if address == "local":
        return
    resolved = _on_this_machine() if address == "auto" else address
    parts = urlsplit(resolved if "://" in resolved else f"ray://{resolved}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if parts.scheme != "ray" or not host or not port:
        raise ClusterError(
            f"{address!r} is not the address of a Ray cluster, such as HOST:6379. The address of a "
            "dashboard (http://HOST:8265) is for `tunepipe submit`."
        )
    try:
        with socket.create_connection((host, port), timeout=CONNECT_SECONDS) as connection:
            if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
                return
            connection.sendall(_GREETING)
            answer = _first(connection)
    except TimeoutError:
        raise _no_cluster(address, f"nothing answered within {CONNECT_SECONDS:g} s") from None
    except OSError as error:
        raise _no_cluster(address, error.strerror or str(error)) from None
    if len(answer) < _HEADER or answer[3] != _SETTINGS:
        raise _no_cluster(address, "the program there is not Ray")
    if not resolved.startswith("ray://") and not _knows_first_call(resolved):
        why = "the program there is not a Ray head, whose port is 6379 unless `ray start --port` names another"
        raise _no_cluster(address, why)


def _knows_first_call(place: str) -> bool:
    """Whether a server of gRPC is Ray's: Ray's port for clients, an inference server or a proxy does not know the call.

    Any other response comes from Ray, for example that a token is missing.
    """
    try:
        import grpc
    except ImportError:
        return True
    with grpc.insecure_channel(place, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            channel.unary_unary(_FIRST_CALL)(b"", timeout=CONNECT_SECONDS)
        except grpc.RpcError as error:
            known: bool = error.code() != grpc.StatusCode.UNIMPLEMENTED
            return known
    return True


def _first(connection: socket.socket) -> bytes:
    answer = b""
    while len(answer) < _HEADER and (piece := connection.recv(_HEADER - len(answer))):
        answer += piece
    return answer


def _on_this_machine() -> str:
    address = local_address()
    if address is None:
        raise ClusterError(
            "No Ray cluster runs on this machine. Start one with `ray start --head`, name another with "
            "--address HOST:6379, or leave --address out: then the study starts its own."
        )
    return address


def _no_cluster(address: str, why: str) -> ClusterError:
    return ClusterError(
        f"No Ray cluster can be reached at {address}: {why}. Nothing was started. Check whether "
        "the cluster runs (`ray status`), or leave --address and RAY_ADDRESS out: then the study starts its own Ray."
    )
