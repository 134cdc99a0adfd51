"""Shared storage: volumes for pods on both nodes, one of them of the default class, as in a cloud."""

import json
from pathlib import Path
from typing import Any

from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.testbed.place import SHARE


def make_volume() -> None:
    """Create the class and its volume."""
    storage_class = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "testbed", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "kubernetes.io/no-provisioner",
    }
    made = [storage_class, volume("testbed", SHARE)]
    kubectl("apply", "-f", "-", said=json.dumps({"apiVersion": "v1", "kind": "List", "items": made}))


def volume(name: str, folder: Path) -> dict[str, Any]:
    """A volume of the class of its name, in a new folder that every pod may write."""
    folder.mkdir()
    folder.chmod(0o777)
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "100Gi"},
            "accessModes": ["ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": name,
            "hostPath": {"path": str(folder)},
        },
    }
