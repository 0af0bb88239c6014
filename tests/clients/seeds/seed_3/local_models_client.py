import requests
import json

class LocalModelsClient:
    def __init__(self, base_url="http://localhost:8000"):
        self.base_url = base_url
    
    def chat(self, message, model="gpt-oss:20b", **kwargs):
        payload = {
            "message": message,
            "model": model,
            **kwargs
        }
        
        response = requests.post(
            f"{self.base_url}/chat",
            json=payload
        )
        
        if response.status_code == 200:
            return response.json()["response"]
        else:
            raise Exception(f"Error: {response.json()}")
    
    def get_models(self):
        response = requests.get(f"{self.base_url}/models")
        return response.json()["models"]

# Uso
client = LocalModelsClient()
response = client.chat("¿Qué es la inteligencia artificial?")
print(response)
