"""The benchmark suite: runs the algorithms of `algorithms` and turns what happened into reports."""
