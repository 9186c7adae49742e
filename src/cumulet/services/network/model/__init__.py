"""Rules and rows of the network service, one file per noun."""
