"""Horovod for an environment of one's own: `farandole horovod build`, and `pack` for one without a network.

Set-up (`suite/setup`) makes an environment and pins everything in it. Here the environment is the user's, with whatever
PyTorch or TensorFlow is in it; only Horovod is added. Needs nothing but the standard library, so that it runs before
anything else of this project can.
"""
