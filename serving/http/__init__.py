"""The HTTP face of the counter: what comes in over the wire and what goes out."""
