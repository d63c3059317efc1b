"""The Earth: pure functions on arrays."""
