"""The tables of the application: how the package reads them, and which problems that has."""
