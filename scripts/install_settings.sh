# shellcheck shell=bash
# The user, the folders, the settings and the keys. What is there already is kept.

NEW_KEY=''

make_places() {
    if ! id "$ACCOUNT" >/dev/null 2>&1; then
        run useradd --system --user-group --home-dir "$STATE" --no-create-home \
            --shell /usr/sbin/nologin "$ACCOUNT"
    fi
    place "$OPT" 755 root:root
    place "$OPT/releases" 755 root:root
    place "$ETC" 750 "root:$ACCOUNT"
    place "$STATE" 750 "$ACCOUNT:$ACCOUNT"
    place "$STATE/models" 750 "$ACCOUNT:$ACCOUNT"
}

# place FOLDER MODE OWNER
place() {
    [ -d "$1" ] || run install -d -m "$2" -o "${3%:*}" -g "${3#*:}" -- "$1"
}

# setting_or NAME DEFAULT: what the file of settings says.
setting_or() {
    local found=''
    [ ! -r "$ETC/gpt-api.env" ] || found=$(sed -n "s/^$1=//p" "$ETC/gpt-api.env" | tail -n 1)
    echo "${found:-$2}"
}

write_settings() {
    local text
    text=$(cat "$ETC/gpt-api.env" 2>/dev/null || head_of_settings)
    text=$(with_setting "$text" MODEL_PATH "$MODEL_SETTING")
    text=$(with_setting "$text" HOST "$HOST")
    text=$(with_setting "$text" PORT "$PORT")
    text=$(with_setting "$text" API_KEYS_FILE "$(setting_or API_KEYS_FILE "$ETC/keys.json")")
    [ "$ASKED_ENGINE" != cpu ] || text=$(with_setting "$text" REQUIRE_GPU '')
    [ "$ENGINE" != cuda ] || text=$(with_setting "$text" REQUIRE_GPU "$(setting_or REQUIRE_GPU 1)")
    put "$ETC/gpt-api.env" 640 "$ACCOUNT" <<<"$text"
    [ ! -e "$RELEASE/complete" ] || put "$ETC/gpt-api.env.example" 644 root < <(examples)
    write_keys
}

head_of_settings() {
    echo "# Settings of gpt-api; all there are stand in gpt-api.env.example. After a change: systemctl restart gpt-api"
}

# with_setting TEXT NAME VALUE: the text with that line in the place of the old one.
with_setting() {
    local line="$2=$3"
    if grep -q "^$2=" <<<"$1"; then
        [ -n "$3" ] || line=''
        awk -v name="$2=" -v line="$line" \
            'index($0, name) == 1 { if (!done++ && line != "") print line; next } { print }' <<<"$1"
    elif [ -n "$3" ]; then
        printf '%s\n%s\n' "$1" "$line"
    else
        printf '%s\n' "$1"
    fi
}

examples() { "$VENV/bin/gpt-api" check-config --example; }

write_keys() {
    local file
    file=$(setting_or API_KEYS_FILE "$ETC/keys.json")
    [ ! -e "$file" ] || return 0
    NEW_KEY=sk-$(LC_ALL=C tr -dc 'A-Za-z0-9' </dev/urandom | head -c 43 || true)
    put "$file" 640 "$ACCOUNT" <<<"{
  \"$NEW_KEY\": {\"user\": \"admin\", \"permissions\": [\"all\"]}
}"
}
