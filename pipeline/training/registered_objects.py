"""Classes and functions of a notebook that are registered with Keras: workers register them, too."""

import sys
from collections.abc import Mapping
from typing import Any


def registered(module: str = "__main__") -> Mapping[str, Any]:
    """A module's objects that are registered with `keras.saving.register_keras_serializable`, by registered name."""
    if "keras" not in sys.modules:
        return {}
    import keras

    objects: Mapping[str, Any] = keras.saving.get_custom_objects()
    return {name: each for name, each in objects.items() if getattr(each, "__module__", None) == module}


def register(objects: Mapping[str, Any]) -> None:
    """Register objects with Keras in this process."""
    if not objects:
        return
    import keras

    for name, each in objects.items():
        package, _, own = name.rpartition(">")
        keras.saving.register_keras_serializable(package or "Custom", own)(each)
