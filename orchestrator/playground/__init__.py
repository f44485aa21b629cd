"""``orchestrator serve``: a local page to ask for paths and to look at the answer. Its libraries are an extra."""
