"""Messages: what is sent, to whom, and what a person sees of it."""
