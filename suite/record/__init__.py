"""The contract between those who run and those who read: everything that one run left behind, raw.

A walk: `specification` is what a run was asked to do, and the hash of it is the run's identity. `schema` is the record:
the specification, where it ran (`host`), what every rank measured (`rank`), and how it ended (`outcome`). `store` is the
folder of records, each created once and never rewritten, and `reading` makes records of files again, wherever they lie.
`tables` shows them flat, to people with tools of their own.
"""
