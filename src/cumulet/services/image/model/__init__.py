"""Rules and SQL of image."""
