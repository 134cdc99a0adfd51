"""The edge to Ray: a session driven by Ray Tune's controller, workers as its actors, classes of Ray Tune in a job."""
