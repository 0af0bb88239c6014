curl http://localhost:8000/models
