"""Plans and drives backfills."""
