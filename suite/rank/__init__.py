"""What runs on a rank: one process of a job, from the file that it is handed to the file that it leaves.

A walk: `worker` reads its `job`, joins Horovod and builds model and optimizer through the `side` of its framework
(`torch_side`, `tensorflow_side`), opens its data (`sources`) and trains. `observer` stands around the session: it times
every step and puts the straggler's delays in. `samples` is what is written meanwhile, line by line; `accounts`,
`resident` and `environment` say at the end what the rank spent and where it ran. `trace` draws all ranks on one
timeline, from `layer_spans` and `tensorflow_spans`.
"""
