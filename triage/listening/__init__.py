"""Structured listening 结构化倾听: facts as spans of the text, and the record of what was heard."""
