"""Jobs that lose workers and get others: Horovod's elastic launcher on this machine, under four names and more."""
