"""Running a study: operations on it, its driver and workers, the interface to Ray, the checks before it starts."""
