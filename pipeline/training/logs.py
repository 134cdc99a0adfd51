"""The results of Keras' train_step and test_step as metrics."""

from collections.abc import Mapping
from typing import Any

import keras


def results_of(model: keras.Model, logs: Any) -> Any:
    """The metrics at the end of an epoch: the model's own, unless a custom step returns others."""
    metrics = model.get_metrics_result()
    return metrics if isinstance(logs, dict) and set(logs) == set(metrics) else logs


def plain_logs(logs: Mapping[str, Any] | None) -> dict[str, Any]:
    """The logs as callbacks get them: flat, sorted by name, with numbers as Python numbers."""
    plain: dict[str, Any] = {}
    for name, value in sorted((logs or {}).items()):
        if isinstance(value, Mapping):
            plain.update(plain_logs(value))
            continue
        try:
            plain[name] = float(keras.ops.convert_to_numpy(value) if keras.ops.is_tensor(value) else value)
        except Exception:  # a tensor of several elements, text, an object of the user's
            plain[name] = keras.ops.convert_to_numpy(value) if keras.ops.is_tensor(value) else value
    return plain
