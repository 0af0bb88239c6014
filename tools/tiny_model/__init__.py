"""The recipe for the bundled demonstration model: a tiny gpt-oss that speaks harmony."""
