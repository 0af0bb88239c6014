curl -X POST "http://localhost:8000/chat/devstral" \
  -H "Content-Type: application/json" \
  -d '{
    "message": "¿Cuál es la diferencia entre Python y JavaScript?",
    "max_tokens": 250
  }'
