"""Containers: a file for each of Docker's verbs on them, over one set of records.

Who comes in: the REST handlers, through the classes named in ``havre.engine.Engine``. ``record`` says what a container
is, ``registry`` keeps the records, ``start``/``supervise``/``remove`` make its life, the others look at it or talk to
it.
"""
