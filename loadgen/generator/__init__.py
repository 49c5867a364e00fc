"""The load generator: a process of its own, the only place with Locust and gevent."""
