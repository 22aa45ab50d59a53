"""Python processes that have imported the slow modules before they are asked for, for the price of a fork.

PyTorch needs four to ten seconds to import on two cores, TensorFlow twice that, and every rank of every launch pays again.
Here `WarmPython` (`owner`) keeps one process that has imported them once (`zygote`). Its `command` is used where
`python -m module arguments` would stand, under horovodrun, say: what starts there is a tiny client (`client`) that asks
the process for a copy of itself. The copy takes over the client's arguments, environment, working directory and standard
streams and runs the module; the client passes signals on to it and ends as it ends. If the client dies, the copy and
everything it started in its session are killed. If the owner dies, by SIGKILL too, the process and all its copies are.

What a copy shares with its siblings, unlike a fresh Python: what was read at import (so a variable that a framework reads
while it is imported must be set when the owner starts), and the seed of the hashes of strings. Seeds of `random` and of
NumPy are fresh. A process must not start threads or touch a device before it is copied: importing does neither in
PyTorch, TensorFlow or Horovod, initialising does. Copying needs `fork`: Linux, and macOS at one's own risk.
"""
