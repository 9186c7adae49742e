"""The systemd unit: its text, and a machine with systemd that is booted here (`CUMULET_TEST_BOOT=1`)."""
