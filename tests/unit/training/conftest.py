"""One core for TensorFlow, as a trial has it, before its first use."""

from pipeline.study import Resources
from pipeline.training.process import set_up

set_up(Resources())
