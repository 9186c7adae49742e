"""Operations of the network service, one file per noun."""
