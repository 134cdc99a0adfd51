"""The HTML page of a study and of a comparison."""
