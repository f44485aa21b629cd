"""Measuring: the load generator, what it asks, and the results with every sample."""
