"""The nodes of a Ray cluster, in a separate process: their resources and versions, and whether they see the storage."""

import logging
import os
import platform
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipeline.errors import TunepipeError
from pipeline.execution.preflight.fact_process import Publish
from pipeline.execution.preflight.finding import ClusterFacts, Failure, NodeFacts
from pipeline.execution.versions import installed
from pipeline.storage import Store


def main(publish: Publish, *, address: str, uri: str, node_seconds: float) -> None:
    """Ask every node that is alive."""
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, namespace="tunepipe")
    except Exception as error:
        publish(Failure(f"{type(error).__name__}: {error}"))
        return
    alive = [node for node in ray.nodes() if node["Alive"]]
    asked = [
        ray.remote(probe_node)
        .options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False))
        .remote(uri, node["NodeID"])
        for node in alive
    ]
    publish(ClusterFacts([_answer(*pair, uri, node_seconds) for pair in zip(alive, asked, strict=True)]))


def probe_node(uri: str, mark: str) -> dict[str, Any]:
    """The facts about a node; runs on it."""
    store, trouble = Store(uri), None
    try:
        if store.exists("probe"):
            store.write(f"seen-{mark}", mark)
        else:
            trouble = f"cannot find the storage {uri}"
    except TunepipeError as error:
        trouble = str(error)
    return {"name": platform.node(), "versions": installed(), "trouble": trouble, "pid": os.getpid()}


def _answer(node: dict[str, Any], asked: Any, uri: str, seconds: float) -> NodeFacts:
    name, versions, trouble = str(node["NodeManagerHostname"]), {}, None
    try:
        answer = ray.get(asked, timeout=seconds)
        versions, trouble = answer["versions"], answer["trouble"]
        if trouble is None and not Store(uri).exists(f"seen-{node['NodeID']}"):
            trouble = f"writes to another storage {uri} than this machine"
    except ray.exceptions.GetTimeoutError:
        trouble = f"did not answer within {seconds:g} s"
    except ray.exceptions.RayError as error:
        trouble = f"cannot run tunepipe: {str(error).strip().splitlines()[-1]}"
    has = node["Resources"]
    return NodeFacts(name, has.get("CPU", 0.0), has.get("GPU", 0.0), has.get("memory", 0.0), versions, trouble)
