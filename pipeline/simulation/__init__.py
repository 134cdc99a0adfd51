"""A study simulated over learning curves, with its own clock; without Ray and TensorFlow."""
