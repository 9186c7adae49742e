"""The console proxy: noVNC's pages for browsers, and a relay from a browser to a guest's screen."""
