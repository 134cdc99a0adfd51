"""Simulation of a study over learning curves, with its own clock; without Ray and TensorFlow."""
