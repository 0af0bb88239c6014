curl -X POST "http://localhost:8000/chat" \
  -H "Content-Type: application/json" \
  -d '{
    "message": "¿Cómo programar en Python?",
    "model": "devstral",
    "max_tokens": 300,
    "temperature": 0.8
  }'
