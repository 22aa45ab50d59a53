"""Jobs whose workers come and go, under `hvd.elastic.run`: what is the same in both bindings.

Horovod's own states make every worker rank 0 again. Here each survivor keeps what is its own, newcomers start from what
all share, and all that depends on the number of workers is made anew.
"""
