"""A cloud in one file: what is in it (`contents`), how it is written down (`records`), how it is sealed (`sealing`),
and where images lie beside it (`objects`). The verbs are `backup` and `restore`, one floor up."""
