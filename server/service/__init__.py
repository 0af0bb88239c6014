"""The application as a service: run under uvicorn, drained, watched by systemd."""
