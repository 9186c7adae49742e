"""Long work of the image service."""
