"""This machine, and the part of it that this process may use: the limits of a container, not of its node."""

from pipeline.machine.container_limits import Limits, limits
from pipeline.machine.machine import Machine, gpu_models, held_memory, this_machine

__all__ = ["Limits", "Machine", "gpu_models", "held_memory", "limits", "this_machine"]
