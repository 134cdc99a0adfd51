"""The global state of Keras and TensorFlow: random generators, and counters of names."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import tensorflow as tf

from pipeline.missing_names import warn_once

_INEXACT_DRAWS = "a function that is resumed draws other numbers from its global generator"


def reset_seeds() -> None:
    """Let Keras draw its next global seed generator from Python's generator."""
    try:
        from keras.src.backend.common import global_state
    except ImportError:
        warn_once("Keras", "global_state", "its seeds are set by set_random_seed, which takes longer")
        # It seeds Python's and NumPy's generators as well; their state is what the caller has prepared.
        import random

        import numpy as np

        python, numpy = random.getstate(), np.random.get_state()
        keras.utils.set_random_seed(random.getrandbits(31))
        random.setstate(python)
        np.random.set_state(numpy)
    else:
        global_state.set_global_attribute("global_seed_generator", None)


def chosen_dtype_policy() -> Any:
    """The global dtype policy of Keras; None if it follows the float type."""
    try:
        from keras.src.backend.common import global_state
    except ImportError:
        warn_once("Keras", "global_state", "a float type that a model function sets does not change its dtype policy")
        return keras.config.dtype_policy()
    return global_state.get_global_attribute("dtype_policy")


def restore_dtype_policy(policy: Any) -> None:
    """Set the global dtype policy of Keras."""
    if policy is None:
        from keras.src.backend.common import global_state

        global_state.set_global_attribute("dtype_policy", None)
    else:
        keras.config.set_dtype_policy(policy)


def library_generators() -> dict[str, Any]:
    """The states of TensorFlow's and Keras' global generators, as JSON values."""
    generators: dict[str, Any] = {}
    try:
        from keras.src.backend.common import global_state

        generator = global_state.get_global_attribute("global_seed_generator")
        generators["keras"] = None if generator is None else [int(number) for number in generator.state.numpy()]
    except (ImportError, AttributeError):
        warn_once("Keras", "global_seed_generator", _INEXACT_DRAWS)
    try:
        from tensorflow.python.eager import context

        # Without a seed there is no generator of eager operations.
        if (seed := context.context()._seed) is not None:
            version, numbers, gauss = context.context()._rng.getstate()
            generators["tensorflow"] = {"seed": int(seed), "state": [version, list(numbers), gauss]}
    except (ImportError, AttributeError):
        warn_once("TensorFlow", "eager.context", _INEXACT_DRAWS)
    return generators


def restore_library_generators(states: Mapping[str, Any]) -> None:
    """Continue from saved states of TensorFlow's and Keras' global generators."""
    if "tensorflow" in states:
        saved = states["tensorflow"]
        tf.random.set_seed(saved["seed"])
        try:
            from tensorflow.python.eager import context

            version, numbers, gauss = saved["state"]
            context.context()._rng.setstate((version, tuple(numbers), gauss))
        except (ImportError, AttributeError):
            warn_once("TensorFlow", "eager.context", _INEXACT_DRAWS)
    if "keras" in states:
        reset_seeds()
        if states["keras"] is not None:
            try:
                from keras.src.backend.common import global_state

                generator = keras.random.SeedGenerator(0)
                generator.state.assign(states["keras"])
                global_state.set_global_attribute("global_seed_generator", generator)
            except (ImportError, AttributeError):
                warn_once("Keras", "global_seed_generator", _INEXACT_DRAWS)


def reset_names() -> None:
    """Start the counters again by which Keras names layers and variables."""
    try:
        from keras.src.utils import naming
    except ImportError:
        warn_once("Keras", "naming.reset_uids", "its session is cleared before each model, which takes longer")
        keras.utils.clear_session(free_memory=False)
    else:
        naming.reset_uids()


def reserve_names(names: Iterable[str]) -> None:
    """Keep names of layers that exist from those that Keras gives to new ones."""
    try:
        from keras.src.backend.common import global_state
    except ImportError:
        warn_once("Keras", "global_state", "new layers may have names of layers outside of the model function")
        return
    counters = name_counters() or defaultdict(int)
    for name in names:
        base, number = re.fullmatch(r"(.*?)(?:_(\d+))?", name, re.DOTALL).groups()  # type: ignore[union-attr]
        counters[base] = max(counters.get(base, 0), int(number or 0) + 1)
    global_state.set_global_attribute("object_name_uids", counters)


def name_counters() -> Any:
    """The counters by which Keras names layers and variables; None if none is named yet."""
    try:
        from keras.src.backend.common import global_state

        counters = global_state.get_global_attribute("object_name_uids")
    except (ImportError, AttributeError):
        warn_once("Keras", "object_name_uids", "its names of layers begin again after a study in this process")
        return None
    return None if counters is None else counters.copy()


def restore_name_counters(counters: Any) -> None:
    """Continue earlier counters of names."""
    reset_names()
    if counters is not None:
        from keras.src.backend.common import global_state

        global_state.set_global_attribute("object_name_uids", counters)
