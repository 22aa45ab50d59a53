"""`farandole gpu-check`: what has to be seen once on a real GPU, in order of worth, each step with its own time limit.

A machine with a GPU is often borrowed for minutes: results are written after each step, and what is there is not done
again.
"""
