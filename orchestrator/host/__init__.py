"""The application's tables: what is bound to them, and what is wrong with them."""
