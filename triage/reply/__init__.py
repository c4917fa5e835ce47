"""Drafts of replies to customers: what is wrong with one, and what it promises."""
