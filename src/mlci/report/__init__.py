"""Verdict → what people and machines read of it: console, Markdown, HTML, JUnit XML and result.json."""
