"""Gradients that travel every step, in TensorFlow."""
