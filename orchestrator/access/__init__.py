"""Creates the group roles and grants their rights."""
