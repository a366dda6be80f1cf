"""Applications to read and run; ``python -m examples.fact_check`` is the first."""
