"""What the RayJob of an overlay must have."""

from copy import deepcopy

import pytest

from pipeline.cluster.overlay_fields import missing_fields
from pipeline.cluster.overlays import overlays, rendered


@pytest.mark.parametrize("overlay", overlays())
def test_the_bundled_overlays_are_complete(overlay):
    """The overlays of tunepipe have all that a cluster is planned from."""
    (rayjob,) = [each for each in rendered(overlay) if each["kind"] == "RayJob"]
    assert missing_fields(rayjob) == []


def test_a_missing_field_is_named_by_its_path():
    """Each missing field is named by its path, at any depth, and a number of pods of 0 is not missing."""
    assert missing_fields({}) == [
        "metadata.namespace",
        "spec.rayClusterSpec.headGroupSpec.template.spec.containers.0.resources.limits.memory",
        "spec.rayClusterSpec.workerGroupSpecs",
    ]
    limits = {"template": {"spec": {"containers": [{"resources": {"limits": {"memory": "1Gi", "cpu": 1}}}]}}}
    group = {"groupName": "g", "maxReplicas": 0, **limits}
    whole = {
        "metadata": {"namespace": "n"},
        "spec": {"rayClusterSpec": {"headGroupSpec": deepcopy(limits), "workerGroupSpecs": [deepcopy(group), group]}},
    }
    assert missing_fields(whole) == []
    del group["maxReplicas"], group["template"]["spec"]["containers"][0]["resources"]
    below = "spec.rayClusterSpec.workerGroupSpecs.1"
    assert missing_fields(whole) == [
        f"{below}.maxReplicas",
        f"{below}.template.spec.containers.0.resources.limits.cpu",
        f"{below}.template.spec.containers.0.resources.limits.memory",
    ]
