"""From an experiment file to the runs that answer its question; nothing here starts anything.

A walk: `file` reads a TOML file and finds every mistake in it (`schema` says what may stand there, `validation` puts it
in words, `toml_lines` knows the line, `salvage` what is left without what is wrong). `combinations` takes every
combination of the axes and resolves it into a specification, unless it does not go together (`case`): names become models,
data, algorithms (`choices`, `controls`) and networks (`suite.cluster.kinds`); `live` holds what they stand for. `plan` puts
the runs in the order in which they will be done.
"""
