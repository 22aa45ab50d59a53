"""Gradients that travel every step, in PyTorch."""
