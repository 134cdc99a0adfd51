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
find . -type d -name tests -prune -exec rm -r {} +
# Sources of compiled modules, what only type checkers read, sources of the dashboard's scripts, launchers for Windows.
find . -type f \( -name '*.c' -o -name '*.cc' -o -name '*.cpp' -o -name '*.h' -o -name '*.hpp' -o -name '*.a' -o -name '*.pyx' \
    -o -name '*.pxd' -o -name '*.pyi' -o -name '*.map' -o -name '*.exe' \) -delete
# Symbols for debuggers, 0.4 GB. Not of all libraries: those that a wheel brings along in a folder of its own (numpy.libs)
# cannot be loaded any more once they are stripped, and CUDA's have none.
find . -type d \( -name '*.libs' -o -name nvidia \) -prune -o -type f -name '*.so*' -exec strip --strip-unneeded {} +
strip --strip-unneeded ray/core/src/ray/raylet/raylet ray/core/src/ray/gcs/gcs_server ../../../bin/py-spy
