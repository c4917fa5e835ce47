"""The counter: HTTP API, persistence and command line of Fenzhen. Never imports training."""
