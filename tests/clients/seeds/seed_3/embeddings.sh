curl -X POST "http://localhost:8000/v1/embeddings" \
  -H "Content-Type: application/json" \
  -d '{
    "input": "Este es un texto de ejemplo",
    "model": "gpt-oss:20b"
  }'
