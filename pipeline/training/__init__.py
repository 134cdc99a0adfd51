"""How one trial trains. Only this package uses Keras; it uses neither Ray nor files.

TensorFlow is imported when a model is trained; a function objective never imports it.
"""
