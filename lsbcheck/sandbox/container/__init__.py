"""Sandboxes that are containers of an engine: docker's, or podman's through the same API."""
