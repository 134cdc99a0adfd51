"""Whether a study's storage outlives its pods."""

from typing import Any

import pytest

from pipeline.cluster.kept_storage import check_storage_is_kept
from pipeline.errors import ClusterError

CLAIM: dict[str, Any] = {"persistentVolumeClaim": {"claimName": "studies"}}


def group_with(name: str, **volumes: dict[str, Any]) -> dict[str, Any]:
    """A group whose container mounts volumes at folders of their names."""
    pod = {
        "volumes": [{"name": each, **source} for each, source in volumes.items()],
        "containers": [{"volumeMounts": [{"name": each, "mountPath": f"/{each}"} for each in volumes]}],
    }
    return {"groupName": name, "template": {"spec": pod}}


@pytest.mark.parametrize(
    "source", [CLAIM, {"nfs": {"server": "a", "path": "/"}}, {"hostPath": {"path": "/a"}}, {"csi": {"driver": "a"}}]
)
@pytest.mark.parametrize("storage", ["/studies", "/studies/lab", "//studies", "/tmp/../studies"])
def test_a_folder_on_a_volume_is_kept(source: dict[str, Any], storage: str) -> None:
    """A folder on a volume that outlives its pods is taken, whatever its kind."""
    check_storage_is_kept("lab", group_with("", studies=source), [group_with("cpu", studies=source)], storage)


@pytest.mark.parametrize("source", [{"emptyDir": {}}, {"projected": {"sources": []}}, {"ephemeral": {}}])
def test_a_folder_of_a_pod_is_refused(source: dict[str, Any]) -> None:
    """A folder of the head alone is refused; an object store needs no volume."""
    head, group = group_with("", studies=source, tmp={"emptyDir": {}}), group_with("cpu", data=CLAIM, studies=CLAIM)
    with pytest.raises(ClusterError, match=r"the head has no volume at --storage /studies\. .*: /data, /studies\. "):
        check_storage_is_kept("lab", head, [group], "/studies")
    check_storage_is_kept("lab", head, [group], "s3://bucket/studies")


@pytest.mark.parametrize("storage", ["/elsewhere", "/", "/data-2", "/tmp/studies", "/data/../elsewhere"])
def test_a_folder_without_a_volume_is_refused(storage: str) -> None:
    """A folder at which pods mount nothing, or only their temporary files, is refused for all of them."""
    pods = [group_with(name, data=CLAIM, tmp={"emptyDir": {}}) for name in ("", "cpu", "gpu-l4")]
    with pytest.raises(ClusterError, match="the head and the group 'cpu' and the group 'gpu-l4' have no volume"):
        check_storage_is_kept("lab", pods[0], pods[1:], storage)
