"""Where a study runs: what is done with it, its driver and workers, the edge to Ray, the checks before it starts."""
