"""Shapes of identity's requests and answers, one module per noun."""
