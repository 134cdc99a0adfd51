"""Better answers for the same compute: schedulers and searchers over recorded learning curves."""
