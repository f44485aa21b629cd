"""What every room uses: connections and retries, errors, SQL files, the format of numbers, the private server."""
