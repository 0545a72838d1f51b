"""Endpoints of this machine: everything but how one replica is made ready and started.

A **keeper** for each endpoint starts the router and the replicas, watches them and starts anew what dies. A replica is
a process; one that stands for a container ends with it.
"""
