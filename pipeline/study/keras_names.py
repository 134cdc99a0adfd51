"""What to do about a name that Keras does not have: Keras 2 had it, tensorflow.keras has it, or it is mistyped.

A name is an attribute of a module, or a text such as `loss="mse"` that Keras looks up in one.
"""

import importlib
import re
import sys
from types import ModuleType

from pipeline.study.keras_backend import KERAS_2, OTHER_KERAS
from pipeline.wording import closest

_PACKAGES_OF_KERAS_2 = frozenset(
    [
        "dtensor",
        "engine",
        "estimator",
        "experimental",
        "feature_column",
        "legacy",
        "objectives",
        "premade",
        "premade_models",
    ]
)
"""Parts of a path that only Keras 2 and earlier versions have, wherever they are in it."""

_NAMES_OF_KERAS_2 = {
    "": "backend_config distribute",
    "applications": "regnet resnet_rs RegNet\\w+ ResNetRS\\d+",
    "backend": "function in_test_phase in_train_phase learning_phase learning_phase_scope local_conv1d local_conv2d "
    "manual_variable_initialization normalize_batch_in_training placeholder print_tensor random_binomial reset_uids "
    "set_learning_phase set_session get_session tensorflow_backend",
    "callbacks": "BaseLogger SidecarEvaluatorModelExport",
    "constraints": "RadialConstraint radial_constraint",
    "initializers": "initializers\\w*",
    "layers": "AbstractRNNCell CuDNNGRU CuDNNLSTM DenseFeatures LocallyConnected[12]D Merge SyncBatchNormalization "
    "activation advanced_activations attention convolutional\\w* core cudnn_recurrent embeddings kernelized local "
    "locally_connected merge merging noise normalization pooling preprocessing recurrent regularization reshaping rnn "
    "serialization wrappers",
    "metrics": "MeanRelativeError MeanTensor",
    "models": "model_from_config model_from_yaml",
    "optimizers": "TFOptimizer adadelta adafactor adagrad adam adamax adamw ftrl nadam optimizer_v[12] rmsprop sgd",
    "preprocessing": "text",
    "saving": "object_registration pickle_utils saving_api saving_lib serialization_lib",
    "utils": "GeneratorEnqueuer HDF5Matrix OrderedEnqueuer SequenceEnqueuer SidecarEvaluator conv_utils data_utils "
    "dataset_utils generic_utils image_utils io_utils layer_utils losses_utils metrics_utils multi_gpu_model "
    "multi_gpu_utils np_utils tf_utils to_ordinal training_utils vis_utils warmstart_embedding_matrix",
    "wrappers": "scikit_learn",
}
"""Names that Keras 2 or an earlier version had and Keras 3 does not have, as patterns by module: from the API of
tf_keras 2.21, and from the files of Keras 2, which programs also imported."""

_LEAST_SIMILARITY = 0.8
_SHORT = 4
_LEAST_SIMILARITY_OF_SHORT = 0.75
"""Of names of at most so many letters: that of rleu to relu, two letters of which are swapped."""

_NO_NAME = re.compile(r"cannot import name '(\w+)'")
_NO_IDENTIFIER = re.compile(r"Could not interpret ([a-z ]+) identifier: ([\w-]+)\s*$", re.MULTILINE)
"""In Keras' message about a text that is no name of a loss, a metric, an optimiser and so on."""

_MODULES_OF_IDENTIFIERS = {
    "activation function": "activations",
    "constraint": "constraints",
    "initializer": "initializers",
    "loss": "losses",
    "metric": "metrics",
    "optimizer": "optimizers",
    "regularizer": "regularizers",
}
_FURTHER_IDENTIFIERS = {"loss": ["crossentropy"], "metric": ["accuracy"]}
"""Names that only `compile` knows."""
_FUNCTIONS = ("deserialize", "get", "serialize")
"""Functions of each of these modules that are no names of what is in it."""

_OF_TENSORFLOW = ("tensorflow.", "keras._tf_keras.")
"""What the paths of tensorflow.keras begin with, as programs and its modules have them."""


def advice_on_keras_name(error: BaseException) -> str:
    """What to do about code that uses a name of Keras that does not exist, as a sentence without its end."""
    if isinstance(error, ImportError) and "TF_USE_LEGACY_KERAS" in str(error):
        return OTHER_KERAS
    if isinstance(error, ValueError) and (unknown := _NO_IDENTIFIER.search(_text(error))):
        return _nearest_identifier(*unknown.groups())
    module, name = _missing(error)
    own = module
    for prefix in _OF_TENSORFLOW:
        own = own.removeprefix(prefix)
    top, _, inner = own.partition(".")
    if KERAS_2 in (top, name):
        return OTHER_KERAS
    if top != "keras" or not name:
        return ""
    if own == module and _tensorflow_has(f"{own}.{name}"):
        return f"tensorflow.{own} has {name}, and {own} does not"
    if _was_in_keras_2(inner, name):
        return OTHER_KERAS
    there = sys.modules.get(module)
    known = [] if there is None else [each for each in dir(there) if not each.startswith("_")]
    # keras_tuner is another package, not a mistyped KerasTensor.
    near = closest(name, known, cutoff=_LEAST_SIMILARITY)
    return "" if near is None else f"{own} has {near}, not {name}"


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # it may be the user's own class
        return ""


def _nearest_identifier(kind: str, name: str) -> str:
    module = sys.modules.get(f"keras.{_MODULES_OF_IDENTIFIERS.get(kind)}")
    if module is None:
        return ""
    # The base class, such as Loss, is similar to many names of users' own losses.
    left_out = (*_FUNCTIONS, kind.capitalize())
    found = [
        each
        for each in dir(module)
        if not each.startswith("_") and each not in left_out and not isinstance(getattr(module, each), ModuleType)
    ]
    known = [*_FURTHER_IDENTIFIERS.get(kind, ()), *sorted(found, key=lambda each: not each.islower())]
    # Swapped letters are many of a short name.
    same = (each for each in known if sorted(each.lower()) == sorted(name.lower()))
    cutoff = _LEAST_SIMILARITY if len(name) > _SHORT else _LEAST_SIMILARITY_OF_SHORT
    near = next(same, None) or closest(name, known, cutoff=cutoff)
    return "" if near is None else f"Keras has the {kind} {near!r}, not {name!r}"


def _missing(error: BaseException) -> tuple[str, str]:
    """The module, and the name that it does not have; empty where an error is about something else."""
    if isinstance(error, ModuleNotFoundError):
        module, _, name = (error.name or "").rpartition(".")
        return module, name
    if isinstance(error, ImportError) and (found := _NO_NAME.search(str(error))):
        return error.name or "", found[1]
    if isinstance(error, AttributeError) and isinstance(error.obj, ModuleType):
        return error.obj.__name__, error.name or ""
    return "", ""


def _tensorflow_has(path: str) -> bool:
    """Whether tensorflow.keras has what Keras itself does not have, where TensorFlow is imported already."""
    if "tensorflow" not in sys.modules:
        return False
    module, _, name = path.rpartition(".")
    try:
        return hasattr(importlib.import_module(f"tensorflow.{module}"), name)
    except ImportError:
        return False


def _was_in_keras_2(module: str, name: str) -> bool:
    parts = [*module.split("."), name]
    if not _PACKAGES_OF_KERAS_2.isdisjoint(parts):
        return True
    return any(re.fullmatch(pattern, name) for pattern in _NAMES_OF_KERAS_2.get(module, "").split())
