"""What a model is still writing, shown to the graph piece by piece."""
