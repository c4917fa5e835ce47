"""The workshop: from labelled complaints to a bundle that ``triage`` can open. The only room with torch."""
