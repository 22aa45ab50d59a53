"""Runs the tests of one file on several Horovod ranks and reports them in the pytest that was asked.

`parent` decides what is launched and reports; `job` is one launch of `horovodrun`; `rank` is the plugin inside each
rank; `merge` turns the reports of all ranks into one.
"""
