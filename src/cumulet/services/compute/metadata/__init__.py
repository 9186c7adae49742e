"""What a guest may know of itself: the metadata service's two trees, and the same on a config drive."""
