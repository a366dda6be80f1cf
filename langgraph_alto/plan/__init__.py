"""The plan of a graph: what each node touches, and what may run ahead of its barrier."""
