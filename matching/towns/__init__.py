"""A town in memory: its listings, people and words, read whole once and kept current."""
