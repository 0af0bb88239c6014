curl http://localhost:8000/v1/completions \
  -H "Content-Type: application/json" \
  -d '{
        "model": "GPT3-dev",
        "prompt": "Write a haiku about fast APIs",
        "max_tokens": 64
      }'
