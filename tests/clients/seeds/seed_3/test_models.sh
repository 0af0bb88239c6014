#!/bin/bash
# test_models.sh

MODELS=("gpt-oss:20b" "devstral" "gemma3")
BASE_URL="http://localhost:8000"

for model in "${MODELS[@]}"; do
    echo "Testing $model..."
    curl -X POST "$BASE_URL/chat" \
        -H "Content-Type: application/json" \
        -d "{
            \"message\": \"Hola, soy $model\",
            \"model\": \"$model\",
            \"max_tokens\": 50
        }" \
        | jq '.response'
    echo "---"
done
