"""Reduce per parent: a node that runs once per parent of a nested fan-out.

``declare`` adds it to a graph; ``packets`` finds which nodes take part; ``scopes``
is what those do beside their work; ``log`` is how it is kept in the state;
``nodes`` is the gather itself; ``results`` is what its function is given.
"""
