"""What makes each kind of desired state so on a real host: a file per kind, all with the same three functions.

They join what `node/guest` and `node/net` can do, and know what stands on what. They never decide what shall be.
"""
