"""Other people's suites against a cloud of ours."""
