"""Running a study: operations on it, its driver and workers, the edge to Ray, the checks before it starts."""
