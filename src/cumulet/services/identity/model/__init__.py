"""Rules and SQL of identity, one module per noun."""
