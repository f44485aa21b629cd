"""What every room uses: connections, errors, SQL files, the private server."""
