"""A user's function as an identity: a snapshot of the code around it, its digest, its import in another process."""
