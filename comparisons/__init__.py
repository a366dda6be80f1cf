"""Alto beside LangGraph, its tuned form and hand-written asyncio, measured in one run."""
