import requests

# Chat básico
response = requests.post(
    "http://localhost:8000/chat",
    json={
        "message": "Explica el machine learning",
        "model": "devstral",
        "max_tokens": 300,
        "temperature": 0.8
    }
)

result = response.json()
print(result["response"])
