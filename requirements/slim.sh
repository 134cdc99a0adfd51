# Remove from an environment what no study runs: sh slim.sh ENVIRONMENT
set -e
cd "$1"/lib/python3*/site-packages
# For building new operations: TensorFlow's headers, 0.4 GB, and Clang.
rm -r tensorflow/include clang
# Ray's workers in Java.
rm -r ray/jars
find . -type d -name tests -prune -exec rm -r {} +
# Symbols for debuggers, 0.2 GB.
find tensorflow -type f -name '*.so*' -exec strip --strip-unneeded {} +
