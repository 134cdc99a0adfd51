"""Creating a RayJob on a server on loopback whose answer does not arrive."""

from contextlib import suppress

import pytest

import tune_jobs
from pipeline.cluster import rayjob_creation
from pipeline.cluster.kubernetes_cluster import Kubernetes
from pipeline.cluster.rayjob import study_manifests
from tests.unit.cluster.kubernetes_server import CORE, RAYJOBS, rayjob


def test_a_rayjob_whose_creation_was_not_answered_is_recognised(api_server, tmp_path):
    """A RayJob that was created although the answer was lost gets its ConfigMap, and is no one else's."""
    file = tmp_path / "mine.py"
    file.write_text("JOB = 1\n")
    made = study_manifests(tune_jobs.find("beale"), str(file), "local-cpu", "/studies", [])
    api_server.lost.add(RAYJOBS)
    api_server.conflicts[RAYJOBS] = ['rayjobs.ray.io "beale-1" already exists']
    assert Kubernetes(None, "tunepipe").apply(made)
    ((path, config_map),) = api_server.posted
    assert path.partition("?")[0] == f"{CORE}/configmaps"
    assert config_map["metadata"]["ownerReferences"][0]["uid"] == "u-1"
    assert api_server.deleted == []


@pytest.mark.parametrize("whose", ["own", "another's"])
def test_an_interrupted_creation_leaves_nothing(api_server, monkeypatch, whose):
    """A RayJob whose creation was interrupted is deleted, and one of that name that another user has created is not."""
    made = study_manifests(tune_jobs.find("beale"), "beale", "local-cpu", "/studies", [])
    if whose == "own":
        api_server.lost.add(RAYJOBS)
    else:
        api_server.answers[f"{RAYJOBS}/beale-1"] = [rayjob("Running", "beale-1")]
        api_server.conflicts[RAYJOBS] = ['rayjobs.ray.io "beale-1" already exists']

    def interrupted(create, *_):
        with suppress(Exception):
            create()
        raise KeyboardInterrupt

    monkeypatch.setattr(rayjob_creation, "create_with_retries", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Kubernetes(None, "tunepipe").apply(made)
    assert api_server.deleted == ([f"{RAYJOBS}/beale-1"] if whose == "own" else [])
