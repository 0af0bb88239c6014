"""What docs/deploy.md says beside the configurations of proxies: settings that exist and work."""

import re

from server.settings.load import find
from server.settings.settings import Settings
from tests.proxies.configurations import NAME, PAGE, block


def test_every_setting_named_on_the_page_exists() -> None:
    known = {name.upper() for name in Settings.model_fields}
    named = set(re.findall(r"`([A-Z][A-Z_]+)(?:=[^`]*)?`", PAGE))
    assert len(named) >= 5
    assert named <= known


def test_the_settings_of_the_server_are_good() -> None:
    (text,) = re.findall(r"^```sh\n(HOST=.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    flags = dict(line.split("=", 1) for line in text.splitlines())
    findings = find({name.lower(): value for name, value in flags.items()})
    # The file of keys is another machine's.
    assert {each.variable for each in findings.problems} == {"API_KEYS_FILE"}
    assert set(findings.texts) >= {"host", "port", "api_keys_file", "trusted_proxies"}


def test_limits_are_the_servers_own() -> None:
    settings = Settings()
    assert settings.max_body_bytes == 32 << 20
    assert "client_max_body_size 32m;" in block("nginx")
    assert settings.request_timeout_seconds == 30 * 60
    assert "proxy_read_timeout 35m;" in block("nginx")
    upstream = f"{settings.host}:{settings.port}"
    assert upstream in block("nginx")
    assert upstream in block("caddyfile")
    assert all(NAME in block(language) for language in ("nginx", "caddyfile"))
