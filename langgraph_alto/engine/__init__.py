"""The engine: a pure predictor, and shells that carry out what it allows."""
