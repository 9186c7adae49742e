"""The network parts of a node: bridges, segments, DHCP, security groups, routers and the metadata proxy.

Every part has ensure() and absent(), both safe to call first, twice and after a crash. Nothing here knows the
controller's database, HTTP API or any guest's definition; ``parts.NetworkParts`` is the only door.
"""
