"""Who may ask, and for what. Knows neither HTTP status codes nor the models."""
