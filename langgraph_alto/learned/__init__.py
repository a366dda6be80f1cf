"""Effects learned from runs: what nodes were seen to do, where analysis cannot tell."""
