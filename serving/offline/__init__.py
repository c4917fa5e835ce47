"""A file of tickets in, a file of decisions out, without server or database."""
