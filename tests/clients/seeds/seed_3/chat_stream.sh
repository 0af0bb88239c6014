curl -X POST "http://localhost:8000/chat" \
  -H "Content-Type: application/json" \
  -d '{
    "message": "Cuéntame sobre el machine learning",
    "model": "gpt-oss:20b",
    "stream": true
  }'
