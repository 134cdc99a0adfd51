"""A real Kubernetes on this machine: control plane, two nodes and KubeRay in separate namespaces of the system."""
