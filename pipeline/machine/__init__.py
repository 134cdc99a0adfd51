"""What this machine is, and what of it this process may use: a container's limits, not those of the node below it."""

from pipeline.machine.limits import Limits, limits
from pipeline.machine.machine import Machine, gpu_models, this_machine

__all__ = ["Limits", "Machine", "gpu_models", "limits", "this_machine"]
