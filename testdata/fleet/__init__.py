"""Real servers for tests, demo and benchmarks: private data directories, free ports, loopback only."""
