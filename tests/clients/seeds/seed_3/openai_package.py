from openai import OpenAI

# Usando API Gateway
client = OpenAI(
    base_url="http://localhost:8000/v1",
    api_key="dummy"
)

response = client.chat.completions.create(
    model="gpt-oss:20b",
    messages=[
        {"role": "system", "content": "Eres un asistente útil."},
        {"role": "user", "content": "¿Qué es Python?"}
    ],
    max_tokens=200,
    temperature=0.7
)

print(response.choices[0].message.content)
