"""The PyTorch binding."""
