"""Training of N workers in this process: real nets, real gradients, virtual time.

fitting -> times, batches, net_torch, gradients_torch -> training_torch -> the files that ranks write, of which the
harness makes a record as of any other run, kind *simulated*.
"""
