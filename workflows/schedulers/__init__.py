"""Schedulers: how jobs are started, looked at and ended on a machine."""
