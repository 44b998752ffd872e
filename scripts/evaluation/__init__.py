"""How depth is scored: metrics, alignments, data sets, and what the paper's own evaluation does."""
