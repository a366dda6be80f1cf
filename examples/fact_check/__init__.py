"""Answer a question about Python, checking every claim: an ordinary LangGraph application.

``graph.py`` is the application. ``__main__.py`` runs it on LangGraph, then
wrapped, and compares answers and times.
"""
