"""Which volume holds the results. The pod that reads it is tried in tests/kubernetes."""

import pytest

import tune_jobs
from pipeline.cluster.download_results import volume_of
from pipeline.cluster.rayjob import study_manifests


@pytest.mark.parametrize(
    ("storage", "place"), [("/studies", "/studies"), ("/studies/lab/one", "/studies"), ("/tmp", None), ("s3://b", None)]
)
def test_the_volume_is_the_one_that_the_head_mounts_there(storage, place):
    """The volume of a study is the claim that the head mounts at the storage or above it, and not a scratch volume."""
    made = study_manifests(tune_jobs.find("beale"), "beale", "local-cpu", storage, [])
    found = volume_of(made.job, storage)
    assert (found and found[1]) == place
    assert found is None or found[0]["persistentVolumeClaim"] == {"claimName": "studies"}
