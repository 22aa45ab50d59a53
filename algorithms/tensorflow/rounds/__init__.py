"""Workers with copies of their own that meet around a centre, in TensorFlow."""
