"""Questions asked of facts, beyond the map."""
