"""Where a study runs: Ray lives here."""
