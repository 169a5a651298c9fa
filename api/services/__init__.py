"""What happens between a route and the store."""
