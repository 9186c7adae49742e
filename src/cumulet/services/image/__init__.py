"""Image: what guests boot from: records, who may see them, and their bytes."""
