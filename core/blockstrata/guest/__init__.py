"""What the guest reads: the walk down a chain, region by region."""
