API_KEYS = {
    "sk-example-key-1": {"user": "admin", "permissions": ["all"]},
    "sk-example-key-2": {"user": "user1", "permissions": ["chat", "completions"]},
}
