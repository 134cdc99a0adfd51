"""How fast, as ratios against peers measured in the same run: `python -m tests.benchmarks`, or `make bench`."""
