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
# A second client of Kubernetes, for asyncio.
rm -r kubernetes/aio
find . -type d -name tests -prune -exec rm -r {} +
# Sources of compiled modules, sources of the dashboard's scripts, launchers for Windows.
find . -type f \( -name '*.c' -o -name '*.h' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.map' -o -name '*.exe' \) -delete
# Symbols for debuggers, 0.4 GB. Not those of all packages: libraries that a wheel brings along in a folder of its own
# (numpy.libs) cannot be loaded any more once they are stripped.
find tensorflow pyarrow ray sqlalchemy fontTools kiwisolver aiohttp -type f -name '*.so*' -exec strip --strip-unneeded {} +
strip --strip-unneeded ray/core/src/ray/raylet/raylet ray/core/src/ray/gcs/gcs_server
