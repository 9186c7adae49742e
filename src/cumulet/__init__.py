"""Cumulet: the cloud people reach for when they want OpenStack and cannot bear to install it."""

__version__ = "0.3.0.dev0"
