"""A real Kubernetes on this machine: control plane, two nodes, KubeRay, in namespaces of their own."""
