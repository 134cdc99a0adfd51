"""The RayJob of the study `beale`, as a server returns it."""

from typing import Any

from pipeline.cluster.overlays import rayjob_template
from tests.unit.cluster.kubernetes_server import rayjob


def of_beale(state: str = "Running", storage: str = "/studies", **status: Any) -> dict[str, Any]:
    """A RayJob of `beale` that another user has submitted, in a state."""
    job = rayjob(state, "beale-1", **status)
    job["spec"] = rayjob_template("local-cpu")["spec"]
    job["metadata"] |= {
        "labels": {"tunepipe/study": "beale"},
        "annotations": {"tunepipe/storage": storage, "tunepipe/submitted-by": "ana@laptop"},
    }
    return job
