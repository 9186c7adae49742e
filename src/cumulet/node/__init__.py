"""What runs on a hypervisor: pulls desired state over the link, makes the world match it, reports what it saw.

Only this room runs commands, netlink or libvirt. It never reads the controller's database.
"""
