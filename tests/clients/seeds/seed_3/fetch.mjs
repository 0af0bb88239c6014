// Usando fetch
const response = await fetch('http://localhost:8000/chat', {
  method: 'POST',
  headers: {
    'Content-Type': 'application/json',
  },
  body: JSON.stringify({
    message: '¿Cómo funciona una red neuronal?',
    model: 'gpt-oss:20b',
    max_tokens: 250
  })
});

const data = await response.json();
console.log(data.response);
