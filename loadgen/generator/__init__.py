"""The load generator, the only place with Locust and gevent, in a process of its own."""
