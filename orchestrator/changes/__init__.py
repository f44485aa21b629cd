"""Changes of the application: they are in a queue, and ``sync`` refreshes the edges of the contacts in it."""
