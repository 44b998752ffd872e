"""Procedural scenes for training: layouts of simple solids, ray cast with exact depth."""
