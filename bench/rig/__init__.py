"""What the benchmarks share: a network of their own, pinned processes, the proxies, the load."""
