"""The contract between the rooms.

What is asked (``spec``), when (``demand``), who notices (``detection``), what comes out
(``record``).
"""
