"""The live page over the studies of a storage: `tunepipe serve`. No Ray, no TensorFlow, no matplotlib."""
