curl -X POST http://localhost:11434/api/pull \
  -H "Content-Type: application/json" \
  -d '{
    "name": "gemma3:latest",
    "stream": false
  }'
