"""Who did what, when, with what proof: the one chain that every other package writes to."""
