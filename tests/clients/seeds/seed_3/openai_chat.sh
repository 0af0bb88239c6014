curl -X POST "http://localhost:8000/v1/chat/completions" \
  -H "Content-Type: application/json" \
  -d '{
    "model": "gpt-oss:20b",
    "messages": [
      {"role": "system", "content": "Eres un experto en programación."},
      {"role": "user", "content": "¿Cómo crear una función en Python?"}
    ],
    "max_tokens": 200,
    "temperature": 0.7
  }'
