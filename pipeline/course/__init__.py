"""How a study goes: whose turn it is, how reports are judged, who is best, when it ends. No clock, files or Ray."""
