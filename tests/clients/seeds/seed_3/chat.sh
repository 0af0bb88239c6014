curl -X POST "http://localhost:8000/chat" \
  -H "Content-Type: application/json" \
  -d '{
    "message": "Explica qué es la inteligencia artificial",
    "max_tokens": 200,
    "temperature": 0.7,
    "reasoning": "high"
  }'
