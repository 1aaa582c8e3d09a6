"""Containers for tests: Podman set up for itself, base images made of Debian, and the demo of compose/ run in them."""
