"""This machine, and the part of it that this process may use: the limits of a container, not of its node."""

from pipeline.machine.container_limits import Limits, container_limits
from pipeline.machine.machine import Machine, gpu_models, process_memory, this_machine

__all__ = ["Limits", "Machine", "container_limits", "gpu_models", "process_memory", "this_machine"]
