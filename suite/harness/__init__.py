"""From a plan to records, on this machine: what starts, watches and ends the ranks.

A walk: `outline` decides what of a plan remains to be done, and `queue` in which order; `sweep` does it, one run after
another, and shows it (`display`, `progress`), on hosts that stay up (`clusters`) and as copies of processes that stay warm
(`warm`); where its time has gone is told at its end (`shares`). `launch` takes one run from specification to record: it
says how long it should take (`expected`), starts the ranks on their cluster and sees every process to its end (`executor`;
`tokens` tell apart what a dead harness left behind). When they are gone, `diagnosis` says why the run ended as it did, and
`compose` makes the record's ranks of what the ranks wrote.
"""
