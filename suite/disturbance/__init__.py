"""Whether a run had the machine to itself: what every rank writes down beside its steps, and what a sweep makes of it.

`machine` reads the counters of the kernel, `watch` is the thread of a rank that keeps them and times a small piece of
work, `judging` compares a run with the quietest of its sweep. A run that was disturbed stays evidence; it is run again.
"""
