"""Makes roles and grants."""
