"""Guests on this host: images, disks, config drives, libvirt domains and the daemon that runs them.

Must never be imported outside `node`: this folder runs commands and speaks with libvirt.
"""
