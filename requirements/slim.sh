# Remove from an environment what no study runs: sh slim.sh ENVIRONMENT
set -e
cd "$1"/lib/python3*/site-packages
# For building new operations: TensorFlow's headers, 0.3 GB, and Clang.
rm -r tensorflow/include clang
# Ray's workers in Java; its library for reinforcement learning and its servers of models, which trials do not use.
rm -r ray/jars ray/rllib ray/llm
# Arrow's remote tables, and three copies of a library where links do.
rm pyarrow/*flight*
for name in python python_parquet_encryption; do
    for copy in pyarrow/libarrow_$name.so pyarrow/libarrow_$name.so.??00; do
        ln -sf "$(basename pyarrow/libarrow_$name.so.*.*.*)" "$copy"
    done
done
# A second client of Kubernetes, for asyncio; operations of a converter to another compiler.
rm -r kubernetes/aio tensorflow/compiler/mlir/stablehlo
# The interfaces of Kubernetes that tunepipe does not call; its client imports each when it is used.
find kubernetes/client/api -name '*_api.py' ! -name core_v1_api.py ! -name custom_objects_api.py -delete
# Libraries of TensorFlow that nothing loads any more.
rm tensorflow/compiler/tf2xla/ops/_xla_ops.so tensorflow/python/framework/lib_native_proto_caster.so
# The client of other processes' profilers, which TensorFlow imports as it starts. Callbacks that profile do without it.
rm tensorflow/python/profiler/internal/_pywrap_profiler_plugin.so
cat > tensorflow/python/profiler/internal/_pywrap_profiler_plugin.py <<'END'
def __getattr__(name):
    raise AttributeError(f"tunepipe's images have no client of TensorFlow's remote profilers, and so no {name}")
END
# SciPy's copies of libraries that NumPy has loaded before.
for copy in scipy.libs/*; do
    if cmp -s "$copy" "numpy.libs/${copy#*/}"; then ln -sf "../numpy.libs/${copy#*/}" "$copy"; fi
done
# The wheels from which virtualenv gives environments of older Pythons their pip and setuptools.
for name in pip setuptools; do
    ls virtualenv/seed/wheels/embed/$name-*.whl | sort -V | head -n -1 | xargs -r rm
done
find . -type d -name tests -prune -exec rm -r {} +
find keras kubernetes -name '*_test.py' -delete
# Sources of compiled modules, what only type checkers read, sources of the dashboard's scripts, launchers for Windows.
find . -type f \( -name '*.c' -o -name '*.cc' -o -name '*.cpp' -o -name '*.h' -o -name '*.hpp' -o -name '*.a' -o -name '*.pyx' \
    -o -name '*.pxd' -o -name '*.pxi' -o -name '*.tp' -o -name '*.pyi' -o -name '*.map' -o -name '*.exe' \) -delete
# Symbols for debuggers, 0.4 GB. Not of all libraries: those that a wheel brings along in a folder of its own (numpy.libs)
# cannot be loaded any more once they are stripped, and CUDA's have none.
find . -type d \( -name '*.libs' -o -name nvidia \) -prune -o -type f -name '*.so*' -exec strip --strip-unneeded {} +
strip --strip-unneeded ray/core/src/ray/raylet/raylet ray/core/src/ray/gcs/gcs_server ../../../bin/py-spy
