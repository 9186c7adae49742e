"""Placement: what each provider has, and who holds how much of it."""
