"""A worker: it trains an assignment epoch by epoch, reports, and leaves checkpoints. Without Ray."""
