"""What is wrong around the edges, and what to type; :mod:`.diagnosis` makes the checks, a module a room."""
