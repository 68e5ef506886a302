"""What runs on the workers and on the scheduler of a Dask cluster.

It is shipped as source (`hep_run.ship`) and imported there under a name of its own, so that nothing has to be installed
and no version of Python has to be the same. So it uses the standard library and `distributed`, and imports its own
modules relatively.
"""
