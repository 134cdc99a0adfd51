"""How one trial learns. Keras lives here and only here; Ray does not, and neither do files.

Nothing in this package imports TensorFlow before a model is trained: a function objective never does.
"""
