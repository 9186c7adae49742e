"""Compute, as Nova's API has it: flavors, key pairs, servers, and the hosts they run on.

Other services come in through `door` only. Nothing here touches a hypervisor: it writes what a guest shall look
like, and the guest's node makes it so and reports.
"""
