"""The private names of Keras and TensorFlow that training uses; no other package uses them.

If a version of a library lacks a name, training uses a slower way with the same result, and a warning is printed once.
tests/unit/training/internals/ has one test for each name.
"""

from pipeline.training.internals.batches import (
    batch_signature,
    element_spec,
    epoch_iterator,
    is_nondeterministic,
    is_parallel,
    iterable_of,
    pipeline_functions,
    pipeline_inputs,
    reshuffles,
    stage_kind,
    symbolic_build,
)
from pipeline.training.internals.callbacks import profiles, saved_attributes, wait_for_futures, without_threads
from pipeline.training.internals.global_state import (
    chosen_dtype_policy,
    library_generators,
    name_counters,
    reserve_names,
    reset_names,
    reset_seeds,
    restore_dtype_policy,
    restore_library_generators,
    restore_name_counters,
)
from pipeline.training.internals.graphs import (
    captured_variables,
    graph_options,
    keep_additions,
    replaced_add_n,
    restore_graph_options,
    traced_functions,
)
from pipeline.training.internals.models import (
    build_metrics,
    compilation_of,
    compile_arguments,
    is_functional,
    layers_of,
    reset_shared_metrics,
)
from pipeline.training.internals.optimizers import (
    excludes_from_weight_decay,
    keep_averages_apart,
    learning_rate_of,
    skip_reduction,
)

__all__ = [
    "batch_signature",
    "build_metrics",
    "captured_variables",
    "chosen_dtype_policy",
    "compilation_of",
    "compile_arguments",
    "element_spec",
    "epoch_iterator",
    "excludes_from_weight_decay",
    "graph_options",
    "is_functional",
    "is_nondeterministic",
    "is_parallel",
    "iterable_of",
    "keep_additions",
    "keep_averages_apart",
    "layers_of",
    "learning_rate_of",
    "library_generators",
    "name_counters",
    "pipeline_functions",
    "pipeline_inputs",
    "profiles",
    "replaced_add_n",
    "reserve_names",
    "reset_names",
    "reset_seeds",
    "reset_shared_metrics",
    "reshuffles",
    "restore_dtype_policy",
    "restore_graph_options",
    "restore_library_generators",
    "restore_name_counters",
    "saved_attributes",
    "skip_reduction",
    "stage_kind",
    "symbolic_build",
    "traced_functions",
    "wait_for_futures",
    "without_threads",
]
