"""The same work done by others, each as its own documentation writes it, each in its own process.

Every module prints one JSON object in its last line.
"""
