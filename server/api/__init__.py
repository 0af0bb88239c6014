"""HTTP, thin: routes, statuses, headers, hang-ups. Knows neither tokens nor any model's format."""
