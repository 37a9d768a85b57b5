#!/usr/bin/env bash
# Sourced by the agent of Hive OS with the fields of the flight sheet: writes rminer's configuration.
# CUSTOM_USER_CONFIG are further lines of it, as `rminer config init` shows them; those before its first table hold for all.

# A text as a string of TOML, which has the escapes of JSON.
quoted() { jq -n --arg text "$1" '$text'; }

write_config() {
    local pool
    [[ -z ${CUSTOM_ALGO:-} ]] || echo "algo = $(quoted "$CUSTOM_ALGO")"
    echo "user = $(quoted "${CUSTOM_TEMPLATE:-}")"
    [[ -z ${CUSTOM_PASS:-} ]] || echo "pass = $(quoted "$CUSTOM_PASS")"
    # Tables come last.
    [[ -z ${CUSTOM_USER_CONFIG:-} ]] || echo "$CUSTOM_USER_CONFIG"
    for pool in ${CUSTOM_URL:-}; do
        printf '\n[[pool]]\nurl = %s\n' "$(quoted "$pool")"
    done
}

# It has the pool's password.
(umask 077 && write_config >"$CUSTOM_CONFIG_FILENAME")
