"""Shared storage: one volume for pods on both nodes, of the default class, as in a cloud."""

import json

from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.testbed.place import SHARE


def make_volume() -> None:
    """Create the class and its volume."""
    SHARE.mkdir()
    SHARE.chmod(0o777)
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    made = [
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": "testbed", "annotations": default},
            "provisioner": "kubernetes.io/no-provisioner",
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": "testbed"},
            "spec": {
                "capacity": {"storage": "100Gi"},
                "accessModes": ["ReadWriteMany"],
                "persistentVolumeReclaimPolicy": "Retain",
                "storageClassName": "testbed",
                "hostPath": {"path": str(SHARE)},
            },
        },
    ]
    kubectl("apply", "-f", "-", said=json.dumps({"apiVersion": "v1", "kind": "List", "items": made}))
