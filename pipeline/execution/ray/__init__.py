"""The interface to Ray: Tune's controller drives a session, its actors are workers, and jobs may use Tune's classes."""
