"""The worker process: one model, tokens in, tokens out. Knows neither text nor HTTP."""
