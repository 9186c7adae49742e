"""The contract between controller and node: what a host shall look like, what it reports, and which text may reach it.

Only shapes and the parser of their texts live here. The controller renders them (each service its own kind), the node
converges on them. Nothing in this room may import a service, the store or the node.
"""
