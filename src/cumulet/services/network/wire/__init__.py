"""Request shapes of the network service, one file per noun."""
