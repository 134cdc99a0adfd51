"""The definitions of Prometheus' operator: they check the objects of the component `monitoring`; nothing reads them."""

from tests.kubernetes.testbed.build import MONITORING, module_folder
from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.testbed.operator import definitions_established
from tests.kubernetes.testbed.room import wait_for

_KINDS = ("podmonitors", "prometheusrules")


def define_monitors() -> None:
    """Apply the definitions of PodMonitors and PrometheusRules."""
    folder = module_folder("monitoring", MONITORING)
    crds = [folder / f"example/prometheus-operator-crd/monitoring.coreos.com_{kind}.yaml" for kind in _KINDS]
    kubectl("apply", "--server-side", *(word for crd in crds for word in ("-f", str(crd))))
    wait_for("the definitions of monitors", definitions_established, 180)
