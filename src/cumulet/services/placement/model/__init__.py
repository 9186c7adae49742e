"""Rules and SQL of placement."""
