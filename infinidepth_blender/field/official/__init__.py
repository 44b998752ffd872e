"""The published InfiniDepth networks, exact to their numbers."""
