"""Whether XLA compiles a model: on a GPU as Keras decides, on a CPU only if the model asks for it."""

from collections.abc import Callable
from typing import Any

from pipeline.study import Resources


def leave_out_xla(model: Any, resources: Resources, note: Callable[[str], None]) -> None:
    """Leave out XLA where it gains nothing, in a model that was just compiled.

    On a CPU compiling takes seconds and gains nothing: Keras' "auto" is left out there.
    """
    from pipeline.training.internals import compile_arguments

    asked = (compile_arguments(model) or {}).get("jit_compile") is True
    if resources.strategy == "mirrored" or (not resources.gpus and not asked):
        model.jit_compile = False
        if asked:
            note("jit_compile=True is ignored: resources.strategy is mirrored.")
    elif asked and not resources.gpus:
        note(
            "XLA compiles each model on the CPU because of jit_compile=True: this takes seconds per trial and is "
            "rarely faster. Leave out jit_compile to train without XLA."
        )
