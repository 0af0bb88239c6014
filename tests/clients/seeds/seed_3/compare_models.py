def compare_models(question, models=None):
    if models is None:
        models = ["gpt-oss:20b", "devstral", "gemma3"]
    
    client = LocalModelsClient()
    results = {}
    
    for model in models:
        try:
            response = client.chat(
                question, 
                model=model, 
                max_tokens=200
            )
            results[model] = {
                "status": "success",
                "response": response
            }
        except Exception as e:
            results[model] = {
                "status": "error",
                "error": str(e)
            }
    
    return results

# Uso
question = "Explica qué es un algoritmo"
comparison = compare_models(question)
for model, result in comparison.items():
    print(f"\n{model}: {result['status']}")
    if result['status'] == 'success':
        print(result['response'][:100] + "...")
